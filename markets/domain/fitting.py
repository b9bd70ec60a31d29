"""An order fitted to the rules of its instrument before it is sent: rounded toward safety, or denied with a reason.

Quantities only shrink, prices never get worse than asked, and triggers move toward the market, so that a stop loses
less and a target is reached. The venue has the last word; this spares it what it would refuse anyway.
"""

from dataclasses import replace
from decimal import Decimal

from .instruments import InstrumentRules
from .orders import Denied, OrderRequest, OrderType, Side
from .rounding import ZERO, plain


def fitted(request: OrderRequest, rules: InstrumentRules) -> OrderRequest | Denied:
    """The request as it may be sent. Codes: quantity_invalid, quantity_too_small, quantity_too_large, price_missing,
    price_invalid, trigger_missing, trigger_invalid, notional_too_small.
    """
    if not _positive(request.quantity):
        return Denied("quantity_invalid", f"The quantity {request.quantity} is not a number above zero.")
    missing = _missing(request)
    if missing is not None:
        return missing
    shaped = replace(
        request,
        quantity=rules.quantity(request.quantity),
        price=None if request.price is None else _limit(request.side, request.price, rules),
        trigger=None if request.trigger is None else _trigger(request, request.trigger, rules),
    )
    return _impossible(shaped, rules) or shaped


def _positive(value: Decimal | None) -> bool:
    return value is not None and value.is_finite() and value > 0


def _missing(request: OrderRequest) -> Denied | None:
    if request.type is OrderType.LIMIT and not _positive(request.price):
        return Denied("price_missing", "A limit order needs a price above zero.")
    if request.type in (OrderType.STOP, OrderType.TARGET) and not _positive(request.trigger):
        return Denied("trigger_missing", f"A {request.type} order needs a trigger above zero.")
    return None


def _limit(side: Side, price: Decimal, rules: InstrumentRules) -> Decimal:
    """Never worse than asked: a buyer pays no more, a seller gets no less."""
    return rules.price_down(price) if side is Side.BUY else rules.price_up(price)


def _trigger(request: OrderRequest, trigger: Decimal, rules: InstrumentRules) -> Decimal:
    """Toward the market: up for what a falling price triggers, down for what a rising one does."""
    falling = (request.side is Side.SELL) == (request.type is OrderType.STOP)
    return rules.price_up(trigger) if falling else rules.price_down(trigger)


def _impossible(request: OrderRequest, rules: InstrumentRules) -> Denied | None:
    quantity, level = request.quantity, request.price or request.trigger
    if not quantity or (quantity < rules.min_quantity and not request.reduce_only):
        return Denied(
            "quantity_too_small",
            f"What is left of the quantity in steps of {plain(rules.step)} is {plain(quantity)}, below the minimum of "
            f"{plain(rules.min_quantity)}.",
        )
    if rules.max_quantity is not None and quantity > rules.max_quantity:
        return Denied(
            "quantity_too_large",
            f"The quantity {plain(quantity)} is above the maximum of {plain(rules.max_quantity)} in one order.",
        )
    if request.price is not None and request.price <= ZERO:
        return Denied("price_invalid", f"At the tick of {plain(rules.tick)} nothing is left of the price.")
    if request.trigger is not None and request.trigger <= ZERO:
        return Denied("trigger_invalid", f"At the tick of {plain(rules.tick)} nothing is left of the trigger.")
    if level is not None and not request.reduce_only and quantity * level < rules.min_notional:
        return Denied(
            "notional_too_small",
            f"The order is worth {plain(quantity * level)} {rules.settle}, less than the minimum of "
            f"{plain(rules.min_notional)}.",
        )
    return None
