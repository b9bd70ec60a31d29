"""The one trading engine of paper trading and backtests: pure functions from a state to a state with reports.

It takes orders, moves through time by opens and candles, charges funding and liquidates. It decides nothing
for its customer and knows no clock, no storage and no other account.

A market order, and a limit that crosses the quote, trades whole in `submit`; all other orders rest.

`open_at` is a new price after a jump, and all that it reached or left behind happens there: triggers at the
quote, so a gap fills at the open, and limits at their own price, whole. Nobody trades beyond a price at which
a maker still waits, and a maker gets no better price.

`through` is the rest of a candle, walked open, low, high, close for a long position or none, and open, high,
low, close for a short one: the path that is worse for the holder. On the way the nearest comes first: a stop
before a target where both lie inside, and a stop nearer than the liquidation price before the liquidation. At
one price the order is liquidation, stop, target, limit, then age. Triggers trade as market orders from their
trigger, worsened by spread and impact. A limit trades only when the price goes strictly beyond it, and all
limits of an account share `PARTICIPATION` of what traded in the candle.

At an open beyond both, liquidation goes before the stop: a gap must not cost more than the isolated margin.
The last price stands for the mark. Leverage is fixed when a position opens; an order that would add to it
with another one is refused.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from .admission import Application, refusal
from .book_depth import taker_price
from .instruments import InstrumentRules
from .margin import initial_margin
from .matching import INSUFFICIENT_MARGIN, Execution, execute, last_report, liquidate, reducible
from .orders import Confirmed, Income, OrderRequest, OrderType, Refused, Side, VenueStatus
from .price_path import Stretch, ruin, ruined, touches, walked
from .rounding import CASH_UNIT, ZERO, floor_to, plain, round_cash
from .snapshot import QuoteView
from .venue_state import Answered, Bar, Outcome, VenueOrder, VenueState, available, level

# The share of a candle's volume that resting limits may take: more would have moved the candle itself.
PARTICIPATION = Decimal("0.1")
_EVERYTHING = Decimal("Infinity")
_STOP, _TARGET, _BUY = OrderType.STOP, OrderType.TARGET, Side.BUY


def submit(
    state: VenueState, request: OrderRequest, quote: QuoteView, rules: InstrumentRules, at: datetime
) -> Answered:
    """Place an order at `quote`. A refusal (codes in `admission`) leaves the state as it was."""
    refused = refusal(Application(state, request, quote, rules))
    if refused:
        return Answered(state, (), refused)
    price = _price_at_once(state, request, quote, rules)
    if price is None:
        return _rest(state, VenueOrder.resting(request, ZERO, rules), rules, at)
    execution = Execution(VenueOrder(request), request.quantity, price, rules, at)
    outcome = execute(Outcome(state), execution)
    report = last_report(outcome, request.client_id)
    if report.reason == INSUFFICIENT_MARGIN:
        needed = initial_margin(execution.value, request.leverage) + execution.fee
        return _too_poor(state, needed, rules)
    return Answered(outcome.state, outcome.reports, Confirmed(report))


def _rest(state: VenueState, order: VenueOrder, rules: InstrumentRules, at: datetime) -> Answered:
    if order.reserved and order.reserved > available(state):
        return _too_poor(state, order.reserved, rules)
    report = order.report(VenueStatus.OPEN, at)
    return Answered(state.keeping((*state.orders, order)), (report,), Confirmed(report))


def _too_poor(state: VenueState, needed: Decimal, rules: InstrumentRules) -> Answered:
    text = (
        f"The order needs {plain(needed)} {rules.settle} for margin and fee, "
        f"and {plain(available(state))} {rules.settle} is available."
    )
    return Answered(state, (), Refused("insufficient_margin", text))


def _price_at_once(
    state: VenueState, request: OrderRequest, quote: QuoteView, rules: InstrumentRules
) -> Decimal | None:
    """What an order that trades now pays, no worse than its limit; None for one that rests."""
    if request.type is _STOP or request.type is _TARGET:
        return None
    buying, limit = request.side is _BUY, level(request)
    if limit is not None and (limit < quote.ask if buying else limit > quote.bid):
        return None
    quantity = min(request.quantity, reducible(state, request)) if request.reduce_only else request.quantity
    price = quoted_price(quote, request.side, quantity, rules)
    if limit is None:
        return price
    return min(price, limit) if buying else max(price, limit)


def quoted_price(quote: QuoteView, side: Side, quantity: Decimal, rules: InstrumentRules) -> Decimal:
    """What a market order of `quantity` pays at `quote`: the bid or the ask, moved by its own impact.

    Where bid and ask do not differ nothing is known of the spread, and the rules' half spread is added.
    """
    if quote.ask <= quote.bid:
        return taker_price(quote.last, side, quantity, quote.liquidity, rules)
    touch = quote.ask if side is _BUY else quote.bid
    return taker_price(touch, side, quantity, quote.liquidity, rules, half_spread=ZERO)


def cancel(state: VenueState, client_id: str, at: datetime) -> Answered:
    """End a live order; refused with code not_live where it is closed or was never there."""
    order = state.order(client_id)
    if order is None:
        return Answered(state, (), Refused("not_live", f"No live order has the client id {client_id}."))
    report = order.report(VenueStatus.CANCELLED, at, "cancelled on request")
    return Answered(state.without(client_id), (report,), Confirmed(report))


def open_at(state: VenueState, opening: QuoteView, rules: InstrumentRules, at: datetime) -> Outcome:
    """The price stands at `opening`, however it came there: gaps, triggers, limits, liquidation."""
    outcome = Outcome(state)
    if not state.active(rules.symbol) or not touches(state, opening.last, opening.last, rules):
        return outcome

    def pays(side: Side, quantity: Decimal, _: Decimal) -> Decimal:
        return quoted_price(opening, side, quantity, rules)

    return walked(outcome, Stretch(opening.last, opening.last, rules, at, pays), _EVERYTHING)[0]


def through(state: VenueState, bar: Bar, rules: InstrumentRules, at: datetime) -> Outcome:
    """All that happens between the open of `bar`, which `open_at` has dealt with, and its close at `at`."""
    outcome = Outcome(state)
    if not state.active(rules.symbol) or not touches(state, bar.low, bar.high, rules):
        return outcome

    def pays(side: Side, quantity: Decimal, reference: Decimal) -> Decimal:
        return taker_price(reference, side, quantity, bar.liquidity, rules)

    offered = rules.quantity(bar.volume * PARTICIPATION)
    held = state.positions.get(rules.symbol)
    extremes = (bar.high, bar.low) if held and held.quantity < 0 else (bar.low, bar.high)
    for start, end in pairwise((bar.open, *extremes, bar.close)):
        outcome, offered = walked(outcome, Stretch(start, end, rules, at, pays), offered)
    return outcome


def fund(state: VenueState, rate: Decimal, mark: Decimal, rules: InstrumentRules, at: datetime) -> Outcome:
    """Settle funding: -sign * notional at `mark` * `rate`, so that longs pay a positive rate.

    It is rounded against the account. What available cash does not cover comes out of the position's margin,
    at most all of it, and brings the liquidation price nearer; where that reaches `mark`, it is liquidated.
    """
    held = state.positions.get(rules.symbol)
    if held is None:
        return Outcome(state)
    due = floor_to(-round_cash(held.quantity * mark) * rate, CASH_UNIT)
    uncovered = max(-due - max(available(state), ZERO), ZERO)
    taken = min(uncovered, held.margin)
    amount = due + uncovered - taken
    if not amount:
        return Outcome(state)
    income = Income(funding_id(rules.symbol, at), "funding", rules.symbol, amount, rules.settle, at, rate, taken)
    held = replace(held, margin=held.margin - taken)
    outcome = Outcome(replace(state.holding(held), wallet=state.wallet + amount), (income,))
    if ruined(held, ruin(held, rules), mark):
        return liquidate(outcome, rules.price(mark), rules, at)
    return outcome


def funding_id(symbol: str, at: datetime) -> str:
    """The id of the income that one settlement makes."""
    return f"funding:{symbol}:{at.isoformat()}"
