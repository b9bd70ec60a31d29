"""How much to trade: the quantity a risk budget pays for, the leverage it takes, stops and targets.

Nothing is scaled in secret: budget = equity * risk per trade * the share of it that was asked for.
"""

from decimal import Decimal
from math import ceil

from markets.domain.instruments import InstrumentRules
from markets.domain.rounding import CASH_UNIT, ZERO

from .risk import Candidate, Context, unit_loss


def risk_budget(equity: Decimal, risk_per_trade: Decimal, share: Decimal) -> Decimal:
    """The most a position may lose at its stop, in the settle currency; zero without equity."""
    return max(equity, ZERO) * risk_per_trade * share


def quantity(
    *, budget: Decimal, price: Decimal, stop: Decimal, long: bool, rules: InstrumentRules, slippage: Decimal
) -> Decimal:
    """The largest quantity, at the step, that loses at most `budget` from `price` to `stop`.

    The loss counts the slippage of the stop and both taker fees. Zero where the stop is on the wrong side.
    """
    each = unit_loss(price, stop, long, slippage, rules.taker_fee)
    if (stop >= price) if long else (stop <= price):
        return ZERO
    return fit(budget, each, rules)


def fit(room: Decimal, each: Decimal, rules: InstrumentRules) -> Decimal:
    """How many units at `each` fit into `room`, at the step. One cash unit is kept back for rounding."""
    left = room - CASH_UNIT
    return rules.quantity(left / each) if left > ZERO else ZERO


def leverage_needed(candidate: Candidate, context: Context) -> int:
    """The smallest whole leverage at which the margin fits; not yet held against what is allowed.

    It fits when every position the policy allows could have an equal share of the margin budget, and no more
    is taken than is left: so the first position does not crowd out the others.
    """
    policy = context.policy
    budget = policy.max_margin_use * context.equity
    expected = min(candidate.notional, policy.max_position_notional * context.equity)
    fees = expected * candidate.view.rules.taker_fee
    room = min(budget / max(policy.max_positions, 1), budget - context.margin - context.reserved, context.available)
    if room - fees <= ZERO or expected <= ZERO:
        return allowed_leverage(candidate, context)
    return max(1, ceil(expected / (room - fees)))


def allowed_leverage(candidate: Candidate, context: Context) -> int:
    """The most leverage that policy and venue allow for the position this entry results in."""
    rules, held = candidate.view.rules, context.held(candidate)
    if not rules.tiers:
        return 1
    notional = candidate.notional if held is None else candidate.notional + held.notional
    return max(1, min(context.policy.max_leverage, rules.tier(notional).max_leverage))


def stop_at(price: Decimal, distance: Decimal, long: bool, rules: InstrumentRules) -> Decimal:
    """A stop `distance` (in price) away from `price`, at the tick, rounded toward the price."""
    return rules.price_up(price - distance) if long else rules.price_down(price + distance)


def target_at(price: Decimal, distance: Decimal, long: bool, rules: InstrumentRules) -> Decimal:
    """A target `distance` (in price) away from `price`, at the tick, rounded away from the price."""
    return rules.price_up(price + distance) if long else rules.price_down(price - distance)


def stop_snapped(stop: Decimal, long: bool, rules: InstrumentRules) -> Decimal:
    """A stop at the tick, on the tighter side, so that rounding never adds risk."""
    return rules.price_up(stop) if long else rules.price_down(stop)


def target_snapped(target: Decimal, long: bool, rules: InstrumentRules) -> Decimal:
    """A target at the tick, on the nearer side, so that rounding never promises more."""
    return rules.price_down(target) if long else rules.price_up(target)


def reduction(held: Decimal, share: Decimal, rules: InstrumentRules) -> Decimal:
    """The quantity of a reduction by `share` of an unsigned holding, at the step."""
    return rules.quantity(held * share)
