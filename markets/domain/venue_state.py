"""What the simulated venue keeps of one account, and the values its functions take and give.

One wallet in one currency, one-way positions, isolated margin. Nothing trades here: see `venue`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from .frozen import quick
from .holdings import Holding
from .instruments import InstrumentRules
from .margin import initial_margin
from .orders import Answer, OrderReport, OrderRequest, OrderType, Report, VenuePosition, VenueStatus
from .rounding import CASH_UNIT, ZERO, ceil_to, round_cash, round_cash_up

_MARKET, _LIMIT, _FILLED = OrderType.MARKET, OrderType.LIMIT, VenueStatus.FILLED


@quick
@dataclass(frozen=True, slots=True)
class Bar:
    """One candle as money: prices at the tick, `volume` in units of the base currency."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @classmethod
    def of(cls, prices: Sequence[float], volume: float, rules: InstrumentRules) -> "Bar":
        """From the float columns of a stored candle: (open, high, low, close) and the volume."""
        open_, high, low, close = (rules.price(float(price)) for price in prices)
        return cls(open_, high, low, close, Decimal(repr(float(volume))))

    @property
    def liquidity(self) -> Decimal:
        """About what traded, in the quote currency; in cash units, so that a quote can store it."""
        return round_cash(self.volume * self.close)

    @classmethod
    def liquidity_of(cls, close: float, volume: float, rules: InstrumentRules) -> Decimal:
        """The same from the float columns of a stored candle."""
        return round_cash(Decimal(repr(float(volume))) * rules.price(float(close)))


@quick
@dataclass(frozen=True, slots=True)
class VenueOrder:
    """A live order. `reserved` is the cash set aside for what is still open of it: zero if reduce-only."""

    request: OrderRequest
    filled: Decimal = ZERO
    reserved: Decimal = ZERO

    @classmethod
    def resting(cls, request: OrderRequest, filled: Decimal, rules: InstrumentRules) -> "VenueOrder":
        return cls(request, filled, reservation(request, request.quantity - filled, rules))

    @property
    def client_id(self) -> str:
        return self.request.client_id

    @property
    def remaining(self) -> Decimal:
        return self.request.quantity - self.filled

    def report(self, status: VenueStatus, at: datetime, reason: str = "") -> OrderReport:
        """Its state as a report; the venue's own id is the client's."""
        asked = self.request
        # A reduce-only order that closed its position has been cut to what it traded.
        quantity = self.filled if status is _FILLED else asked.quantity
        return OrderReport(
            asked.client_id, asked.client_id, asked.symbol, asked.side, asked.type, status, quantity, self.filled, at,
            asked.price, asked.trigger, asked.reduce_only, reason,
        )  # fmt: skip


@quick
@dataclass(frozen=True, slots=True)
class VenueState:
    """One account at one instant: live orders only, oldest first; positions by symbol, none of them flat.

    `trades` counts all trades so far: the id of the last one. The mapping must not be changed in place.
    """

    wallet: Decimal
    positions: Mapping[str, VenuePosition] = field(default_factory=dict)
    orders: tuple[VenueOrder, ...] = ()
    trades: int = 0

    def order(self, client_id: str) -> VenueOrder | None:
        for order in self.orders:
            if order.request.client_id == client_id:
                return order
        return None

    def orders_of(self, symbol: str) -> list[VenueOrder]:
        return [order for order in self.orders if order.request.symbol == symbol]

    def active(self, symbol: str) -> bool:
        """Whether a candle of this instrument needs to be looked at: it has a position or orders here."""
        return symbol in self.positions or symbol in [order.request.symbol for order in self.orders]

    def holding(self, position: VenuePosition) -> "VenueState":
        """The same with this position; one without quantity is taken out."""
        return VenueState(self.wallet, self.held_with(position), self.orders, self.trades)

    def held_with(self, position: VenuePosition) -> dict[str, VenuePosition]:
        """All positions with the newer form of this one."""
        kept = dict(self.positions)
        # Taken out and put in again, it comes last, as a row that was written last.
        kept.pop(position.symbol, None)
        if position.quantity:
            kept[position.symbol] = position
        return kept

    def updating(self, order: VenueOrder) -> "VenueState":
        """The same with the newer form of an order that rests; one that does not rest stays out."""
        orders = tuple(order if known.client_id == order.client_id else known for known in self.orders)
        return VenueState(self.wallet, self.positions, orders, self.trades)

    def without(self, client_id: str) -> "VenueState":
        left = tuple([order for order in self.orders if order.request.client_id != client_id])
        return self if len(left) == len(self.orders) else self.keeping(left)

    def keeping(self, orders: tuple[VenueOrder, ...]) -> "VenueState":
        """The same with these orders alone."""
        return VenueState(self.wallet, self.positions, orders, self.trades)


@quick
@dataclass(frozen=True, slots=True)
class Outcome:
    """The state after something happened and what the venue reports of it, in order."""

    state: VenueState
    reports: tuple[Report, ...] = ()

    def then(self, state: VenueState, *reports: Report) -> "Outcome":
        return Outcome(state, self.reports + reports)


@quick
@dataclass(frozen=True, slots=True)
class Answered:
    """An outcome with the venue's answer. A refusal has changed nothing and reports nothing."""

    state: VenueState
    reports: tuple[Report, ...]
    answer: Answer


def charge(value: Decimal, rate: Decimal) -> Decimal:
    """The fee on a trade's value, rounded to the cash unit in the venue's favour; a rebate is negative."""
    return ceil_to(value * rate, CASH_UNIT)


def level(request: OrderRequest) -> Decimal | None:
    """The price at which an order waits: a limit's price, a stop's or target's trigger; None: it does not."""
    kind = request.type
    if kind is _MARKET:
        return None
    return request.price if kind is _LIMIT else request.trigger


def reservation(request: OrderRequest, remaining: Decimal, rules: InstrumentRules) -> Decimal:
    """The cash set aside for a resting entry: initial margin at its price or trigger, and the higher fee.

    An order that is not reduce-only reserves on whichever side it is: the position that it opposes may be
    gone when it fills.
    """
    price = None if request.reduce_only else level(request)
    if price is None:
        return ZERO
    value = round_cash_up(remaining * price)
    return initial_margin(value, request.leverage) + charge(value, max(rules.taker_fee, rules.maker_fee, ZERO))


def available(state: VenueState) -> Decimal:
    """Cash that neither a position's margin nor a resting entry holds. Unrealised results do not count."""
    left = state.wallet
    for position in state.positions.values():
        left -= position.margin
    for order in state.orders:
        left -= order.reserved
    return left


def equity(state: VenueState, marks: Mapping[str, Decimal]) -> Decimal:
    """Wallet plus unrealised results at `marks`, by symbol. Raises KeyError for a position without a mark."""
    unrealised = (
        Holding(held.quantity, held.cost).unrealised(marks[symbol]) for symbol, held in state.positions.items()
    )
    return state.wallet + sum(unrealised, ZERO)
