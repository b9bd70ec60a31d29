"""Whether the simulated venue takes an order at all. Each rule gives None or a stable code with a sentence.

Codes: client_id_invalid, duplicate_client_id, not_supported, price_missing, trigger_missing, quantity_invalid,
quantity_precision, price_precision, quantity_too_small, quantity_too_large, notional_too_small, no_position,
wrong_side, would_trigger, leverage_invalid, leverage_too_high, leverage_differs; and from `venue`
insufficient_margin and not_live.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

from .instruments import InstrumentRules
from .margin import tier_of
from .orders import OrderRequest, OrderType, Refused, Side
from .rounding import ZERO, plain
from .snapshot import QuoteView
from .venue_state import VenueOrder, VenueState, level

_LIMIT, _STOP, _BUY, _SELL = OrderType.LIMIT, OrderType.STOP, Side.BUY, Side.SELL
TRIGGERED = (OrderType.STOP, OrderType.TARGET)
LONGEST_CLIENT_ID = 64
# Beyond it money would no longer fit the digits that are computed with.
LARGEST = Decimal(10) ** 15


class Application:
    """An order at the door: the request, what the account has and what the market is.

    `level` is its own price or trigger, `price` what it is valued at: that, else the side of the quote that it takes.
    `opposing`: it would reduce the position.
    """

    __slots__ = ("level", "opposing", "position", "price", "quote", "request", "rules", "state")

    def __init__(self, state: VenueState, request: OrderRequest, quote: QuoteView, rules: InstrumentRules) -> None:
        self.state, self.request, self.quote, self.rules = state, request, quote, rules
        buying = request.side is _BUY
        self.position = held = state.positions.get(request.symbol)
        self.opposing = held is not None and (held.quantity < 0 if buying else held.quantity > 0)
        self.level = level(request)
        self.price = self.level or (quote.ask if buying else quote.bid)


def refusal(application: Application) -> Refused | None:
    """The first rule that refuses, in the order of `RULES`; None where the order may be placed."""
    asked = application.request
    for rule in _APPLYING[asked.type in TRIGGERED, asked.reduce_only]:
        if refused := rule(application):
            return refused
    return None


def fires(request: OrderRequest, price: Decimal) -> bool:
    """Whether a market at `price` has reached a resting order: triggers by touch, limits strictly beyond."""
    met = level(request)
    if met is None:
        return False
    if price == met:
        return request.type is not _LIMIT
    return (price < met) == met_falling(request)


def met_falling(request: OrderRequest) -> bool:
    """Whether a falling price brings the order about: a stop to sell, a target or a limit to buy."""
    return (request.side is _SELL) == (request.type is _STOP)


def _identity(a: Application) -> Refused | None:
    if not 1 <= len(a.request.client_id) <= LONGEST_CLIENT_ID:
        return Refused("client_id_invalid", f"A client id has 1 to {LONGEST_CLIENT_ID} characters.")
    if a.state.orders and a.state.order(a.request.client_id):
        return Refused("duplicate_client_id", f"A live order has the client id {a.request.client_id} already.")
    if a.rules.kind != "perpetual":
        return Refused("not_supported", f"Only linear perpetuals trade here, and {a.rules.symbol} is {a.rules.kind}.")
    return None


def _shape(a: Application) -> Refused | None:
    kind = a.request.type
    if kind is _LIMIT and not _sane(a.request.price):
        return Refused("price_missing", "A limit order needs a price above zero.")
    if kind in TRIGGERED and not _sane(a.request.trigger):
        return Refused("trigger_missing", f"A {kind} order needs a trigger above zero.")
    if not _sane(a.request.quantity):
        return Refused("quantity_invalid", f"The quantity {a.request.quantity} is not a usable number above zero.")
    return None


def _sane(value: Decimal | None) -> bool:
    return value is not None and value.is_finite() and ZERO < value < LARGEST


def _precision(a: Application) -> Refused | None:
    price = a.level
    if a.request.quantity % a.rules.step:
        return Refused(
            "quantity_precision",
            f"The quantity {plain(a.request.quantity)} is not a multiple of the step {plain(a.rules.step)}.",
        )
    if price is not None and price % a.rules.tick:
        return Refused(
            "price_precision",
            f"The price {plain(price)} is not a multiple of the tick {plain(a.rules.tick)}.",
        )
    return None


def _size(a: Application) -> Refused | None:
    quantity, rules = a.request.quantity, a.rules
    # The rest of a position may be smaller than an order may be; closing it must stay possible.
    if quantity < rules.min_quantity and not _closes(a):
        return Refused(
            "quantity_too_small",
            f"The quantity {plain(quantity)} is below the minimum of {plain(rules.min_quantity)}.",
        )
    if quantity > (rules.max_quantity or LARGEST):
        return Refused(
            "quantity_too_large",
            f"The quantity {plain(quantity)} is above the maximum of {plain(rules.max_quantity or LARGEST)}.",
        )
    notional = quantity * a.price
    if notional > LARGEST:
        return Refused("quantity_too_large", f"The order is worth {plain(notional)} {rules.settle}: no account is.")
    if notional < rules.min_notional and not a.request.reduce_only:
        return Refused(
            "notional_too_small",
            f"The order is worth {plain(notional)} {rules.settle}, less than the minimum of "
            f"{plain(rules.min_notional)}.",
        )
    return None


def _closes(a: Application) -> bool:
    held = a.position
    return a.request.reduce_only and held is not None and a.request.quantity >= abs(held.quantity)


def _reduction(a: Application) -> Refused | None:
    if a.opposing:
        return None
    if a.position is None:
        return Refused("no_position", f"There is no position in {a.request.symbol} that the order could reduce.")
    return Refused(
        "wrong_side",
        f"A reduce-only order to {a.request.side} would add to the position in {a.request.symbol}.",
    )


def _trigger(a: Application) -> Refused | None:
    # As Binance does (error -2021): else a stop on the wrong side would be a market order in disguise.
    if fires(a.request, a.quote.last):
        return Refused(
            "would_trigger",
            f"The {a.request.type} to {a.request.side} at {plain(a.price)} would trigger at once: "
            f"the price is {plain(a.quote.last)}.",
        )
    return None


def _leverage(a: Application) -> Refused | None:
    asked = a.request.leverage
    if asked < 1:
        return Refused("leverage_invalid", f"The leverage {asked} is below 1.")
    beside, size = list(_beside(a)), a.request.quantity
    if a.position is not None:
        size += a.position.quantity * a.request.side.sign
    for order in beside:
        size += order.remaining
    notional = size * a.price
    allowed = tier_of(notional, a.rules.tiers).max_leverage
    if asked > allowed:
        return Refused(
            "leverage_too_high",
            f"The leverage {asked} is above the {allowed} that {a.request.symbol} allows at a notional of "
            f"{plain(notional)} {a.rules.settle}.",
        )
    held = [a.position.leverage] if a.position is not None and not a.opposing else []
    others = (*held, *(order.request.leverage for order in beside))
    other = next((leverage for leverage in others if leverage != asked), None)
    if other is None:
        return None
    return Refused(
        "leverage_differs",
        f"Position and entries in {a.request.symbol} have leverage {other}; an order that adds to them must "
        f"have the same and not {asked}.",
    )


def _beside(a: Application) -> Iterator[VenueOrder]:
    """The entries that the order adds to; with them the position, and an opposing one counts against it."""
    for order in a.state.orders:
        asked = order.request
        if asked.side is a.request.side and not asked.reduce_only and asked.symbol == a.request.symbol:
            yield order


Rule = Callable[[Application], Refused | None]
RULES: tuple[Rule, ...] = (_identity, _shape, _precision, _reduction, _size, _trigger, _leverage)


def _applying(triggered: bool, reduces: bool) -> tuple[Rule, ...]:
    """Those that can refuse such an order at all."""
    others = {rule for rule, may in ((_trigger, triggered), (_reduction, reduces), (_leverage, not reduces)) if not may}
    return tuple(rule for rule in RULES if rule not in others)


_APPLYING = {(one, other): _applying(one, other) for one in (True, False) for other in (True, False)}
