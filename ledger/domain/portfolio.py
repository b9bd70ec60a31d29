"""What a book holds, what it has free and how exposed it is: the frozen values that risk reads.

Isolated margin: available cash is cash minus margins minus what live entries reserve; unrealised results count
in equity and nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from markets.domain.frozen import quick
from markets.domain.holdings import unrealised
from markets.domain.rounding import ZERO, round_cash


@quick
@dataclass(frozen=True, slots=True)
class HeldPosition:
    """An open (or opening: quantity zero) position with its plan. `quantity` is signed, `mark` values it."""

    id: int
    symbol: str
    long: bool
    quantity: Decimal
    cost: Decimal
    mark: Decimal
    margin: Decimal
    leverage: int
    opened_at: datetime | None = None
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    expires_at: datetime | None = None
    funding: Decimal = ZERO
    fees: Decimal = ZERO
    realised: Decimal = ZERO

    @property
    def sign(self) -> int:
        return 1 if self.long else -1

    @property
    def notional(self) -> Decimal:
        """Absolute value at the mark, in the settle currency."""
        return round_cash(abs(self.quantity) * self.mark)

    @property
    def unrealised(self) -> Decimal:
        return unrealised(self.quantity, self.cost, self.mark)

    @property
    def entry_price(self) -> Decimal | None:
        return self.cost / abs(self.quantity) if self.quantity else None


@quick
@dataclass(frozen=True, slots=True)
class PendingEntry:
    """A live entry order: what it may still add. `quantity` is unsigned, `reserved` the cash set aside for it."""

    symbol: str
    long: bool
    quantity: Decimal
    price: Decimal
    reserved: Decimal

    @classmethod
    def of(
        cls,
        symbol: str,
        long: bool,
        quantity: Decimal,
        filled: Decimal,
        price: Decimal | None,
        reserved: Decimal,
        leverage: int,
    ) -> "PendingEntry":
        """What is still open of a live entry of `quantity`; `price` is its limit, `reserved` was for the whole."""
        remaining = quantity - filled
        return cls(symbol, long, remaining, price or reserved * leverage / quantity, reserved * remaining / quantity)

    @property
    def notional(self) -> Decimal:
        return round_cash(self.quantity * self.price)


@quick
@dataclass(frozen=True, slots=True)
class Portfolio:
    """A book at one instant. `blocked` tells, by symbol, why no new exposure may be taken there."""

    book: int
    currency: str
    cash: Decimal
    deposited: Decimal
    positions: tuple[HeldPosition, ...] = ()
    pending: tuple[PendingEntry, ...] = ()
    blocked: Mapping[str, str] = field(default_factory=dict)

    def with_entry(self, entry: PendingEntry) -> "Portfolio":
        """The same book with one more live entry."""
        return Portfolio(
            self.book, self.currency, self.cash, self.deposited, self.positions, (*self.pending, entry), self.blocked
        )

    def position(self, symbol: str) -> HeldPosition | None:
        for held in self.positions:
            if held.symbol == symbol:
                return held
        return None

    @property
    def parts(self) -> tuple[HeldPosition | PendingEntry, ...]:
        """Positions, then live entries."""
        return (*self.positions, *self.pending)

    # Plain loops: a book is added up several times at each decision, and most hold next to nothing.
    @property
    def unrealised(self) -> Decimal:
        total = ZERO
        for held in self.positions:
            total += held.unrealised
        return total

    @property
    def equity(self) -> Decimal:
        return self.cash + self.unrealised

    @property
    def margin(self) -> Decimal:
        total = ZERO
        for held in self.positions:
            total += held.margin
        return total

    @property
    def reserved(self) -> Decimal:
        total = ZERO
        for entry in self.pending:
            total += entry.reserved
        return total

    @property
    def available(self) -> Decimal:
        return self.cash - self.margin - self.reserved

    @property
    def exposure(self) -> Decimal:
        """Sum of the notionals of positions and live entries."""
        total = ZERO
        for part in self.parts:
            total += part.notional
        return total

    @property
    def occupied(self) -> frozenset[str]:
        """Symbols that take up one of the allowed positions."""
        return frozenset([part.symbol for part in self.parts])


@dataclass(frozen=True, slots=True)
class AccountPortfolio:
    """All books of an account, keyed by book id; `max_exposure` over equity is the account's own limit.

    `user_max_exposure` is the limit of its owner over this account and the others, `beside_exposure` and
    `beside_equity` what the others have.
    """

    books: Mapping[int, Portfolio]
    max_exposure: Decimal | None = None
    user_max_exposure: Decimal | None = None
    beside_exposure: Decimal = ZERO
    beside_equity: Decimal = ZERO

    @property
    def equity(self) -> Decimal:
        return sum((book.equity for book in self.books.values()), ZERO)

    @property
    def exposure(self) -> Decimal:
        return sum((book.exposure for book in self.books.values()), ZERO)

    @property
    def user_equity(self) -> Decimal:
        return self.equity + self.beside_equity

    @property
    def user_exposure(self) -> Decimal:
        return self.exposure + self.beside_exposure
