"""Rules on how large an entry may be: each shrinks it to what fits, or denies where not one step fits.

A limit that is exceeded already leaves no room, so an existing excess never grows. The minimums come last.
"""

from decimal import Decimal

from markets.domain.book_depth import UNKNOWN_LIQUIDITY, impact
from markets.domain.rounding import CASH_UNIT, ZERO

from .risk import Candidate, Context, Passed, Said, Verdict, allowed, held_loss, unit_loss
from .sizing import fit
from .wording import amount, exact, percent

_UNLIMITED: Passed = allowed, "account_exposure", "The account has no exposure limit."


def risk_per_trade(candidate: Candidate, context: Context) -> Said:
    """The loss at the stop, slippage and both fees counted, of the whole position that results."""
    if candidate.stop is None:
        raise ValueError("This rule comes after `stop_missing`.")
    policy, held, fee = context.policy, context.held(candidate), candidate.view.rules.taker_fee
    each = unit_loss(candidate.prices.judged, candidate.stop, candidate.long, policy.max_slippage, fee)
    used = held_loss(held, candidate.stop, policy.max_slippage, fee) if held else ZERO
    return within(candidate, context, "risk_per_trade", "Loss at the stop", policy.risk_per_trade, used, each)


def market_impact(candidate: Candidate, context: Context) -> Said:
    """What the whole position pays for spread and impact stays within the slippage it is valued with.

    The square-root law of `markets.domain.book_depth`, solved for the largest value.
    """
    rules, most, held = candidate.view.rules, context.policy.max_slippage, context.held(candidate)
    liquidity = candidate.view.quote.liquidity
    liquidity = liquidity if liquidity > ZERO else UNKNOWN_LIQUIDITY
    used, need = held.notional if held else ZERO, candidate.quantity * candidate.prices.value
    cost = rules.half_spread + impact(used + need, liquidity, rules.impact)
    if cost <= most:
        return _smooth, most, cost
    room = liquidity * (max(most - rules.half_spread, ZERO) / rules.impact) ** 2 - used if rules.impact else ZERO
    text = f"Spread and impact would be {percent(cost)} of the price; at most {percent(most)}."
    return cut(candidate, "market_impact", most, cost, fit(room, candidate.prices.value, rules), text)


def _smooth(most: Decimal, cost: Decimal) -> Verdict:
    return allowed("market_impact", f"Spread and impact of {percent(cost)}, at most {percent(most)}.", most, cost)


def position_notional(candidate: Candidate, context: Context) -> Said:
    held, limit = context.held(candidate), context.policy.max_position_notional
    used = held.notional if held else ZERO
    return within(candidate, context, "position_notional", "The position", limit, used, candidate.prices.value)


def total_exposure(candidate: Candidate, context: Context) -> Said:
    limit, used = context.policy.max_exposure, context.exposure
    return within(candidate, context, "total_exposure", "Total exposure", limit, used, candidate.prices.value)


def account_exposure(candidate: Candidate, context: Context) -> Said:
    """The account's own limit over all its books; without its totals nothing is added."""
    limit, used, equity = context.account_max_exposure, context.account_exposure, context.account_equity
    if limit is None:
        return _UNLIMITED
    if used is None or equity is None:
        text = "The account's exposure is not known, so nothing is added to it."
        return Verdict("deny", "account_exposure", limit, None, text)
    what, each = "Exposure of the account", candidate.prices.value
    return within(candidate, context, "account_exposure", what, limit, used, each, equity)


def margin_use(candidate: Candidate, context: Context) -> Said:
    limit, used = context.policy.max_margin_use, context.margin + context.reserved
    return within(candidate, context, "margin_use", "Margin in use", limit, used, candidate.unit_reserve)


def available_cash(candidate: Candidate, context: Context) -> Said:
    """Margin and fee are paid from cash; unrealised results pay for nothing."""
    room, currency = context.available, candidate.view.rules.settle
    need = candidate.quantity * candidate.unit_reserve
    if need <= room - CASH_UNIT:
        return _paid, room, need, currency
    text = f"It would take {amount(need, currency)}; available is {amount(room, currency)}."
    return cut(candidate, "available_cash", room, need, fit(room, candidate.unit_reserve, candidate.view.rules), text)


def _paid(room: Decimal, need: Decimal, currency: str) -> Verdict:
    text = f"It takes {amount(need, currency)} of {amount(room, currency)} available."
    return allowed("available_cash", text, room, need)


def venue_limits(candidate: Candidate, context: Context) -> Said:
    """A stop and an exit are one order each, so the whole position must fit into one."""
    most, held = candidate.view.rules.max_quantity, context.held(candidate)
    used = abs(held.quantity) if held else ZERO
    whole = used + candidate.quantity
    if most is None or whole <= most:
        return allowed, "venue_limits", "Within the venue's largest order.", most, whole
    text = f"The venue takes at most {exact(most)} {candidate.view.rules.base} in one order."
    return cut(candidate, "venue_limits", most, whole, candidate.view.rules.quantity(max(most - used, ZERO)), text)


def minimum_quantity(candidate: Candidate, context: Context) -> Said:
    rules = candidate.view.rules
    least, base = max(rules.min_quantity, rules.step), rules.base
    if candidate.quantity < least:
        text = f"{exact(candidate.quantity)} {base} is less than the smallest order of {exact(least)} {base}."
        return Verdict("deny", "minimum_quantity", least, candidate.quantity, text)
    return _enough, least, candidate.quantity, base


def _enough(least: Decimal, quantity: Decimal, base: str) -> Verdict:
    return allowed("minimum_quantity", f"{exact(quantity)} {base} is enough for an order.", least, quantity)


def minimum_notional(candidate: Candidate, context: Context) -> Said:
    """At the lowest price it may fill at, so that a better fill does not fall below the venue's minimum."""
    rules = candidate.view.rules
    least, currency = max(context.policy.min_notional, rules.min_notional), rules.settle
    worth = candidate.quantity * candidate.prices.low
    if worth < least:
        text = f"Worth {amount(worth, currency)}, less than the smallest entry of {amount(least, currency)}."
        return Verdict("deny", "minimum_notional", least, worth, text)
    return _worth, least, worth, currency


def _worth(least: Decimal, worth: Decimal, currency: str) -> Verdict:
    return allowed("minimum_notional", f"Worth {amount(worth, currency)}.", least, worth)


def within(
    candidate: Candidate,
    context: Context,
    code: str,
    what: str,
    limit: Decimal,
    used: Decimal,
    each: Decimal,
    equity: Decimal | None = None,
) -> Said:
    """`used` plus the quantity at `each` against `limit` times equity; values are fractions of equity."""
    base = context.equity if equity is None else equity
    if base <= ZERO:
        return Verdict("deny", code, limit, None, f"{what}: there is no equity to measure it by.")
    room, need = limit * base - used, candidate.quantity * each
    if need <= room - CASH_UNIT:
        return _fits, code, what, limit, used, need, base
    after = used + need
    value = after / base
    currency = candidate.view.rules.settle
    text = (
        f"{what} would be {amount(after, currency)}, {percent(value)} of equity; "
        f"at most {amount(limit * base, currency)}, {percent(limit)}."
    )
    return cut(candidate, code, limit, value, fit(room, each, candidate.view.rules), text)


def _fits(code: str, what: str, limit: Decimal, used: Decimal, need: Decimal, equity: Decimal) -> Verdict:
    value = (used + need) / equity
    return allowed(code, f"{what} {percent(value)} of equity, at most {percent(limit)}.", limit, value)


def cut(candidate: Candidate, code: str, limit: Decimal, value: Decimal, fitting: Decimal, text: str) -> Verdict:
    fitting = min(fitting, candidate.quantity)
    if fitting <= ZERO:
        return Verdict("deny", code, limit, value, f"{text} There is no room for more.")
    return Verdict(
        "shrink", code, limit, value, f"{text} Cut to {exact(fitting)} {candidate.view.rules.base}.", fitting
    )
