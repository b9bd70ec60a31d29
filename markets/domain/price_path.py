"""What a moving price meets: resting orders and liquidation prices, nearest first.

A stretch is a straight move; a jump is a stretch of no length. `venue` says which stretches a candle has.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from .admission import fires, met_falling
from .frozen import quick
from .instruments import InstrumentRules
from .margin import liquidation_price
from .matching import Execution, execute, liquidate, opposed
from .orders import OrderType, Side, VenuePosition
from .rounding import ZERO
from .venue_state import Outcome, VenueOrder, VenueState, level

_RANK = {OrderType.STOP: 1, OrderType.TARGET: 2, OrderType.LIMIT: 3}


@quick
@dataclass(frozen=True, slots=True)
class Stretch:
    """The price goes straight from `start` to `end`; market orders pay `pays(side, quantity, reference)`."""

    start: Decimal
    end: Decimal
    rules: InstrumentRules
    at: datetime
    pays: Callable[[Side, Decimal, Decimal], Decimal]


class _Meeting(NamedTuple):
    """What the price meets: how far along, its rank and age, at which price. No order: the liquidation."""

    distance: Decimal
    rank: int
    place: int
    price: Decimal
    order: VenueOrder | None


def walked(outcome: Outcome, stretch: Stretch, offered: Decimal) -> tuple[Outcome, Decimal]:
    """All that is met on the way, and what is left of the quantity `offered` to resting limits."""
    while meeting := _next(outcome.state, stretch, offered):
        outcome, used = _met(outcome, stretch, meeting, offered)
        offered -= used
    return outcome, offered


def touches(state: VenueState, low: Decimal, high: Decimal, rules: InstrumentRules) -> bool:
    """Whether a price between `low` and `high` meets anything at all; most candles do not."""
    for order in state.orders_of(rules.symbol):
        if fires(order.request, low) or fires(order.request, high):
            return True
    held = state.positions.get(rules.symbol)
    return held is not None and ruined(held, ruin(held, rules), low if held.quantity > 0 else high)


def ruin(held: VenuePosition, rules: InstrumentRules) -> Decimal | None:
    """The first price at the tick that liquidates the position; None where there is none above zero."""
    exact = liquidation_price(held.quantity, held.cost, held.margin, rules.tiers)
    if exact is None:
        return None
    return (rules.price_down(exact) or None) if held.quantity > 0 else rules.price_up(exact)


def ruined(held: VenuePosition, limit: Decimal | None, price: Decimal) -> bool:
    """Whether `price` has reached the liquidation price `limit`."""
    return limit is not None and (price <= limit if held.quantity > 0 else price >= limit)


def _next(state: VenueState, stretch: Stretch, offered: Decimal) -> _Meeting | None:
    meetings = []
    held = state.positions.get(stretch.rules.symbol)
    limit = ruin(held, stretch.rules) if held else None
    if held and limit and ruined(held, limit, stretch.end):
        meetings.append(_meeting(stretch, held.quantity > 0, limit, 0, 0, None))
    for place, order in enumerate(state.orders_of(stretch.rules.symbol)):
        waits = level(order.request)
        if waits is None or not fires(order.request, stretch.end):
            continue
        if offered or order.request.type is not OrderType.LIMIT:
            rank = _RANK[order.request.type]
            meetings.append(_meeting(stretch, met_falling(order.request), waits, rank, place, order))
    return min(meetings, key=lambda meeting: meeting[:3], default=None)


def _meeting(
    stretch: Stretch, falling: bool, price: Decimal, rank: int, place: int, order: VenueOrder | None
) -> _Meeting:
    """What the price had left behind already is met at the start, at the start's price."""
    distance = stretch.start - price if falling else price - stretch.start
    if distance < 0:
        return _Meeting(ZERO, rank, place, stretch.start, order)
    return _Meeting(distance, rank, place, price, order)


def _met(outcome: Outcome, stretch: Stretch, meeting: _Meeting, offered: Decimal) -> tuple[Outcome, Decimal]:
    """The outcome, and how much of the quantity offered to limits was used."""
    rules, at, order = stretch.rules, stretch.at, meeting.order
    if order is None:
        return liquidate(outcome, meeting.price, rules, at), ZERO
    request, quantity = order.request, order.remaining
    if request.reduce_only:
        quantity = min(quantity, opposed(outcome.state, order))
    if request.type is OrderType.LIMIT:
        quantity = min(quantity, offered)
        own = request.price or meeting.price
        return execute(outcome, Execution(order, quantity, own, rules, at, maker=True)), quantity
    price = stretch.pays(request.side, quantity, meeting.price)
    return execute(outcome, Execution(order, quantity, price, rules, at)), ZERO
