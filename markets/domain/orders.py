"""The words between us and a venue: what is asked, what a venue answers, what it reports later.

Only proof of non-acceptance is a refusal; everything else that is not a confirmation is unknown.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from .frozen import quick


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is _BUY else -1

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @classmethod
    def of(cls, sign: int | Decimal) -> "Side":
        """The side that adds to a position of this sign."""
        return _BUY if sign > 0 else _SELL


# Asked for at every order: a member is found by its class in several steps.
_BUY, _SELL = Side.BUY, Side.SELL


class OrderType(StrEnum):
    """`STOP` and `TARGET` rest until their trigger is touched and then trade as market orders."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    TARGET = "target"


class VenueStatus(StrEnum):
    """The state of an order as its venue tells it."""

    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REFUSED = "refused"

    @property
    def live(self) -> bool:
        return self is _OPEN or self is _PARTLY_FILLED


_OPEN, _PARTLY_FILLED = VenueStatus.OPEN, VenueStatus.PARTLY_FILLED


@quick
@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as we ask for it. `client_id` serves look-up only; `leverage` is set before an entry.

    After the wall time `valid_until` the venue refuses it: a sender that slept must not act on what it meant then.
    """

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    trigger: Decimal | None = None
    reduce_only: bool = False
    leverage: int = 1
    valid_until: datetime | None = None


@quick
@dataclass(frozen=True, slots=True)
class Fill:
    """One execution. `fee` is positive when paid; `realised` is the venue's own figure, before fees.

    `client_id` is None where the venue acted by itself or somebody else sent the order. `leverage` is the position's,
    where the venue tells it. `forced` says why the venue acted: liquidation, adl or settlement.
    """

    trade_id: str
    client_id: str | None
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool
    realised: Decimal
    at: datetime
    liquidation: bool = False
    leverage: int | None = None
    forced: str = ""


@dataclass(frozen=True, slots=True)
class Income:
    """Cash that a venue moved without a trade. `amount` is signed: negative when the account pays; `symbol` is empty
    where it belongs to no instrument.

    `from_margin` is the part of a payment that came out of the position's isolated margin.
    """

    income_id: str
    kind: str  # funding, liquidation, transfer, …: a kind of the journal
    symbol: str
    amount: Decimal
    currency: str
    at: datetime
    rate: Decimal | None = None
    from_margin: Decimal = Decimal(0)


@quick
@dataclass(frozen=True, slots=True)
class OrderReport:
    """The state of one order at the venue. `venue_id` is the venue's own id."""

    client_id: str
    venue_id: str
    symbol: str
    side: Side
    type: OrderType
    status: VenueStatus
    quantity: Decimal
    filled: Decimal
    at: datetime
    price: Decimal | None = None
    trigger: Decimal | None = None
    reduce_only: bool = False
    reason: str = ""


Report = Fill | Income | OrderReport


@quick
@dataclass(frozen=True, slots=True)
class VenuePosition:
    """An open position as its venue tells it. `quantity` is signed; `cost` is the entry value, positive."""

    symbol: str
    quantity: Decimal
    cost: Decimal
    margin: Decimal
    leverage: int

    @property
    def entry_price(self) -> Decimal:
        return self.cost / abs(self.quantity)


@quick
@dataclass(frozen=True, slots=True)
class Confirmed:
    """The venue has the order (or has cancelled it)."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class Refused:
    """The venue proved that it did not accept. `code` is stable, `message` one sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Denied:
    """We did not send it. Nothing left this process."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No proof either way: a time-out, a lost connection, an unreadable reply."""

    message: str


Answer = Confirmed | Refused | Denied | Unknown
