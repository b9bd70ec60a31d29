"""One execution and all that follows from it: result, fee, margin, what becomes of the orders around it.

Every trade of the simulated venue passes `execute`, `liquidate` or `settled`. When one comes is not decided here.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from .frozen import quick
from .holdings import traded
from .instruments import InstrumentRules
from .margin import bankruptcy_price, initial_margin
from .orders import Fill, Income, OrderReport, OrderRequest, Side, VenuePosition, VenueStatus
from .rounding import CASH_UNIT, ZERO, round_cash, round_cash_up
from .venue_state import Outcome, VenueOrder, VenueState, available, charge

POSITION_CLOSED = "position closed"
LIQUIDATED = "position liquidated"
DELISTED = "instrument delisted"
INSUFFICIENT_MARGIN = "insufficient margin"

_BUY = Side.BUY
# What rounding can add to the loss of one close: released cost, fee and released margin, a unit each.
_ROUNDING = 3 * CASH_UNIT


@quick
@dataclass(frozen=True, slots=True)
class Execution:
    """`quantity` of `order` meets `price`. Whether it closes, opens or does both follows from the state."""

    order: VenueOrder
    quantity: Decimal
    price: Decimal
    rules: InstrumentRules
    at: datetime
    maker: bool = False

    @property
    def side(self) -> Side:
        return self.order.request.side

    @property
    def fee_rate(self) -> Decimal:
        return self.rules.maker_fee if self.maker else self.rules.taker_fee

    @property
    def value(self) -> Decimal:
        return round_cash(self.quantity * self.price)

    @property
    def fee(self) -> Decimal:
        return charge(self.value, self.fee_rate)

    def of(self, quantity: Decimal) -> "Execution":
        """The same of another quantity."""
        return self if quantity == self.quantity else replace(self, quantity=quantity)

    @property
    def traded(self) -> VenueOrder:
        """The order after this execution."""
        return VenueOrder.resting(self.order.request, self.order.filled + self.quantity, self.rules)


def execute(outcome: Outcome, execution: Execution) -> Outcome:
    """The trade against an opposing position first, and the rest as an entry.

    A flip is two trades: one closes, one opens with a margin of its own. A reduce-only order is cut to the
    position. An entry that the account cannot carry is not made: its order is cancelled, with the reason.
    """
    order = execution.order
    closing = min(execution.quantity, opposed(outcome.state, order))
    opening = ZERO if order.request.reduce_only else execution.quantity - closing
    if closing:
        part = execution.of(closing)
        outcome = _close(outcome, part)
        if opening:
            execution = replace(execution, order=part.traded)
    if opening:
        return _open(outcome, execution.of(opening))
    return outcome if closing else cancelled(outcome, order, POSITION_CLOSED, execution.at)


def opposed(state: VenueState, order: VenueOrder) -> Decimal:
    """The quantity of the position that this order would reduce; zero without one or on the same side."""
    return reducible(state, order.request)


def reducible(state: VenueState, request: OrderRequest) -> Decimal:
    """The same for an order that has not been placed."""
    held = state.positions.get(request.symbol)
    if held is None or (held.quantity > 0) is (request.side is _BUY):
        return ZERO
    return abs(held.quantity)


def _close(outcome: Outcome, execution: Execution) -> Outcome:
    held = outcome.state.positions[execution.rules.symbol]
    price = _bearable(held, execution)
    execution = execution if price == execution.price else replace(execution, price=price)
    quantity, cost, realised = traded(held.quantity, held.cost, execution.side, execution.quantity, execution.price)
    margin = round_cash_up(held.margin * abs(quantity) / abs(held.quantity))
    left = VenuePosition(held.symbol, quantity, cost, margin, held.leverage)
    outcome = _booked(outcome, execution, left, realised)
    return outcome if quantity else expire(outcome, held.symbol, POSITION_CLOSED, execution.at)


def _bearable(held: VenuePosition, execution: Execution) -> Decimal:
    """The execution's price, or the bankruptcy price where that would be better for the holder.

    Slippage must not cost more than the isolated margin: beyond bankruptcy the insurance fund trades, not the
    account. The cushion keeps this true to the last unit, whatever is rounded.
    """
    rules = execution.rules
    cushion = _ROUNDING * abs(held.quantity) / execution.quantity
    limit = bankruptcy_price(held.quantity, held.cost, held.margin - cushion, execution.fee_rate)
    price = execution.price
    if held.quantity > 0:
        return price if limit <= price else rules.price_up(limit)
    return price if limit >= price else max(rules.price_down(limit), rules.tick)


def _open(outcome: Outcome, execution: Execution) -> Outcome:
    state, request = outcome.state, execution.order.request
    resting = state.order(request.client_id) if state.orders else None
    freed = resting.reserved - execution.traded.reserved if resting is not None else ZERO
    margin = initial_margin(execution.value, request.leverage)
    if margin + execution.fee > available(state) + freed:
        return cancelled(outcome, execution.order, INSUFFICIENT_MARGIN, execution.at)
    held = state.positions.get(request.symbol) or VenuePosition(request.symbol, ZERO, ZERO, ZERO, request.leverage)
    quantity, cost, _ = traded(held.quantity, held.cost, execution.side, execution.quantity, execution.price)
    grown = VenuePosition(held.symbol, quantity, cost, held.margin + margin, held.leverage)
    return _booked(outcome, execution, grown, ZERO)


def _booked(outcome: Outcome, execution: Execution, held: VenuePosition, realised: Decimal) -> Outcome:
    """Wallet, position, order, the fill and the order's new status."""
    order, rules, fee = execution.traded, execution.rules, execution.fee
    complete = not order.remaining or (order.request.reduce_only and not held.quantity)
    before, asked = outcome.state, order.request
    state = before.without(asked.client_id) if complete else before.updating(order)
    state = VenueState(before.wallet + realised - fee, before.held_with(held), state.orders, before.trades + 1)
    fill = Fill(
        str(state.trades), asked.client_id, rules.symbol, asked.side, execution.quantity, execution.price, fee,
        rules.settle, execution.maker, realised, execution.at, False, held.leverage,
    )  # fmt: skip
    status = VenueStatus.FILLED if complete else VenueStatus.PARTLY_FILLED
    return outcome.then(state, fill, order.report(status, execution.at))


def cancelled(outcome: Outcome, order: VenueOrder, reason: str, at: datetime) -> Outcome:
    """`order` ends unfilled or partly filled."""
    report = order.report(VenueStatus.CANCELLED, at, reason)
    return outcome.then(outcome.state.without(order.client_id), report)


def expire(outcome: Outcome, symbol: str, reason: str, at: datetime, entries: bool = False) -> Outcome:
    """All live reduce-only orders of an instrument end, its entries only with `entries`."""
    kept, reports = [], []
    for order in outcome.state.orders:
        if order.request.symbol == symbol and (order.request.reduce_only or entries):
            reports.append(order.report(VenueStatus.CANCELLED, at, reason))
        else:
            kept.append(order)
    return outcome.then(outcome.state.keeping(tuple(kept)), *reports) if reports else outcome


def liquidate(outcome: Outcome, price: Decimal, rules: InstrumentRules, at: datetime) -> Outcome:
    """The venue closes the position at `price` and keeps what is left of its margin, its own fee included.

    Result and income together are exactly the isolated margin, lost: below bankruptcy the insurance fund pays
    the difference (a positive income), above it the fund receives it. All orders of the instrument expire.
    """
    state = outcome.state
    held = state.positions[rules.symbol]
    side, size = Side.of(-held.quantity), abs(held.quantity)
    _, _, realised = traded(held.quantity, held.cost, side, size, price)
    trade_id = str(state.trades + 1)
    fill = Fill(
        trade_id=trade_id, client_id=None, symbol=rules.symbol, side=side, quantity=size, price=price,
        fee=ZERO, fee_currency=rules.settle, maker=False, realised=realised, at=at, liquidation=True,
        leverage=held.leverage,
    )  # fmt: skip
    income = Income(
        income_id=f"liquidation:{rules.symbol}:{trade_id}", kind="liquidation", symbol=rules.symbol,
        amount=-held.margin - realised, currency=rules.settle, at=at,
    )  # fmt: skip
    flat = replace(state.holding(replace(held, quantity=ZERO)), wallet=state.wallet - held.margin)
    outcome = outcome.then(replace(flat, trades=state.trades + 1), fill, income)
    return expire(outcome, rules.symbol, LIQUIDATED, at, entries=True)


def settled(outcome: Outcome, price: Decimal, rules: InstrumentRules, at: datetime) -> Outcome:
    """The venue closes the position at `price`, without a fee, and ends all orders: it lists the instrument no more."""
    held = outcome.state.positions.get(rules.symbol)
    if held is not None:
        side, size = Side.of(-held.quantity), abs(held.quantity)
        _, _, realised = traded(held.quantity, held.cost, side, size, price)
        fill = Fill(
            trade_id=str(outcome.state.trades + 1), client_id=None, symbol=rules.symbol, side=side, quantity=size,
            price=price, fee=ZERO, fee_currency=rules.settle, maker=False, realised=realised, at=at,
            leverage=held.leverage,
        )  # fmt: skip
        flat = outcome.state.holding(replace(held, quantity=ZERO))
        flat = replace(flat, wallet=flat.wallet + realised, trades=flat.trades + 1)
        outcome = outcome.then(flat, fill)
    return expire(outcome, rules.symbol, DELISTED, at, entries=True)


def last_report(outcome: Outcome, client_id: str) -> OrderReport:
    """The newest report of an order. Raises LookupError where there is none."""
    for report in reversed(outcome.reports):
        if isinstance(report, OrderReport) and report.client_id == client_id:
            return report
    raise LookupError(f"There is no report of the order {client_id}.")
