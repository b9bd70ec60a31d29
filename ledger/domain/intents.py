"""What a plan asks of the ledger, before rows exist: intents with the orders they need."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from markets.domain.frozen import quick
from markets.domain.orders import OrderType, Side


class Kind(StrEnum):
    OPEN = "open"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"
    ADJUST_EXITS = "adjust_exits"


_OPEN, _ADD = Kind.OPEN, Kind.ADD


@quick
@dataclass(frozen=True, slots=True)
class IntentDraft:
    """`quantity` is unsigned and at the instrument's step; zero for `adjust_exits`.

    `price` is the price it was judged at, `limit` the price of a limit entry (None: market). `reserved` is
    margin plus fee of an entry. For `adjust_exits` stop, target, trail and expiry are the new ones (None: as before).
    """

    kind: Kind
    symbol: str
    long: bool
    quantity: Decimal
    price: Decimal
    leverage: int = 1
    limit: Decimal | None = None
    reserved: Decimal = Decimal(0)
    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    expires_at: datetime | None = None
    reason: str = ""

    @property
    def enters(self) -> bool:
        """Whether its order takes on exposure; all others only reduce."""
        return self.kind is _OPEN or self.kind is _ADD

    @property
    def side(self) -> Side:
        """The side of its order: with the position to enter, against it to leave."""
        return Side.of(1 if self.long == self.enters else -1)

    @property
    def order_type(self) -> OrderType:
        return OrderType.MARKET if self.limit is None else OrderType.LIMIT
