"""What a backtest remembers of positions and orders: the columns that the ledger's rows have, in memory.

Nothing here decides or computes; `desk` writes these, reports read them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from bots.domain.exit_plan import Condition
from ledger.domain.portfolio import HeldPosition
from ledger.domain.positions import Figures
from markets.domain.frozen import quick
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import Fill, OrderRequest
from markets.domain.rounding import ZERO

_NOTHING = Figures()


@dataclass(slots=True, eq=False)
class Position:
    """A position from flat to flat; `planned` where a plan of the bot opened it. Times are market time.

    `fits` remembers figures, stop and target for which the resting brackets are right; None where nobody has looked
    since an order of it changed.
    """

    id: int
    rules: InstrumentRules
    long: bool
    leverage: int
    planned: bool = True
    figures: Figures = _NOTHING
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    expires_at: datetime | None = None
    invalidation: Condition | None = None
    reason: str = ""
    funding: Decimal = ZERO
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    exit_reason: str = ""
    orders: list["Order"] = field(default_factory=list)
    tried_at: datetime | None = None
    fits: tuple[Figures, Decimal | None, Decimal | None] | None = None

    @property
    def symbol(self) -> str:
        return self.rules.symbol

    @property
    def open(self) -> bool:
        """Whether it holds anything; before its first fill it is still opening."""
        return self.opened_at is not None and self.closed_at is None

    @property
    def net(self) -> Decimal:
        """Realised result after fees and funding."""
        return self.figures.realised - self.figures.fees + self.funding

    @property
    def fit(self) -> bool:
        """Whether its brackets are known to be in line with its plan."""
        fits = self.fits
        return fits is not None and fits[0] is self.figures and fits[1] is self.stop and fits[2] is self.target

    def live(self, *roles: str) -> list["Order"]:
        """Its live protective orders of these roles."""
        return [order for order in self.orders if order.role in roles and not order.ended]

    def held(self, mark: Decimal) -> HeldPosition:
        """As the portfolio shows it, valued at `mark`."""
        f = self.figures
        return HeldPosition(
            self.id, self.rules.symbol, self.long, f.quantity, f.cost, mark, f.margin, self.leverage, self.opened_at,
            self.stop, self.target, self.trail, self.expires_at, self.funding, f.fees, f.realised,
        )  # fmt: skip


@dataclass(slots=True, eq=False)
class Order:
    """An order and what became of it. `source` is who asked for an exit: decision or guardian."""

    request: OrderRequest
    role: str
    position: Position
    at: datetime
    reserved: Decimal = ZERO
    source: str = "decision"
    filled: Decimal = ZERO
    resting: bool = False
    ended: bool = False
    refused: bool = False
    reason: str = ""

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled


@quick
@dataclass(frozen=True, slots=True)
class Trade:
    """One execution with the role of its order; no role where the venue acted by itself."""

    fill: Fill
    role: str | None
