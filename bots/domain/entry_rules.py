"""Rules on whether an entry may be made at all: state, data, conviction, stop, target, leverage, places.

Each is one pure function of candidate and context. Their order and their wording for prompts are in `rules`.
"""

from decimal import Decimal

from markets.domain.candles import TIMEFRAMES
from markets.domain.margin import liquidation_price
from markets.domain.rounding import ZERO

from .exit_plan import describe, holds
from .risk import Candidate, Context, Verdict, exit_price
from .sizing import allowed_leverage
from .wording import exact, percent, ratio


def _allow(code: str, text: str, limit: Decimal | None = None, value: Decimal | None = None) -> Verdict:
    return Verdict("allow", code, limit, value, text)


def _deny(code: str, text: str, limit: Decimal | None = None, value: Decimal | None = None) -> Verdict:
    return Verdict("deny", code, limit, value, text)


def trading_state(candidate: Candidate, context: Context) -> Verdict:
    if context.state == "active":
        return _allow("trading_state", "Trading is active.")
    return _deny("trading_state", f"Trading is {context.state.replace('_', '-')}: only exits are allowed.")


def safe_mode(candidate: Candidate, context: Context) -> Verdict:
    """After repeated failures the first answer that comes may exit and adjust; the next one may enter again."""
    if context.safe_mode:
        return _deny("safe_mode", "The model has failed repeatedly: this answer may only exit and adjust.")
    return _allow("safe_mode", "The model has answered before.")


def instrument_blocked(candidate: Candidate, context: Context) -> Verdict:
    reason = context.portfolio.blocked.get(candidate.symbol)
    if reason is not None:
        return _deny("instrument_blocked", f"No new exposure in {candidate.symbol}: there is {reason}.")
    if any(entry.symbol == candidate.symbol for entry in context.portfolio.pending):
        return _deny("instrument_blocked", f"No new exposure in {candidate.symbol}: an entry order is still live.")
    if candidate.rules.closing:
        return _deny("instrument_blocked", f"No new exposure in {candidate.symbol}: {candidate.rules.closing}.")
    if candidate.rules.kind == "spot" and not candidate.long:
        return _deny("instrument_blocked", f"{candidate.symbol} is spot and cannot be sold short.")
    return _allow("instrument_blocked", "The instrument is free.")


def stale_data(candidate: Candidate, context: Context) -> Verdict:
    """Price and each candle series must be fresh; a candle is late when the next one should have closed."""
    most, view = Decimal(context.policy.max_data_age_seconds), candidate.view
    ages = {"price": view.price_age}
    for timeframe, series in view.series.items():
        if series.closed_at(view.now):
            ages[f"{timeframe} candle"] = view.candle_age(timeframe) - TIMEFRAMES[timeframe] / 1000
    part, oldest = max(ages.items(), key=lambda age: age[1])
    age = Decimal(repr(max(oldest, 0.0)))
    if age > most:
        return _deny("stale_data", f"The {part} is {age:.0f} s late, more than {most} s.", most, age)
    return _allow("stale_data", f"All data is at most {age:.0f} s late.", most, age)


def confidence(candidate: Candidate, context: Context) -> Verdict:
    least, conviction = context.policy.min_confidence, candidate.conviction
    if conviction < least:
        text = f"Conviction {ratio(conviction)} is below the least of {ratio(least)}."
        return _deny("confidence", text, least, conviction)
    return _allow("confidence", f"Conviction {ratio(conviction)}.", least, conviction)


def price_band(candidate: Candidate, context: Context) -> Verdict:
    mark, band = candidate.view.quote.mark, context.policy.price_band
    away = abs(candidate.price - mark) / mark
    if away > band:
        text = f"The entry price {exact(candidate.price)} is {percent(away)} away from {exact(mark)}."
        return _deny("price_band", text, band, away)
    return _allow("price_band", f"The entry price is {percent(away)} away from the mark.", band, away)


def stop_missing(candidate: Candidate, context: Context) -> Verdict:
    if candidate.stop is None:
        return _deny("stop_missing", "An entry without a stop is not allowed.")
    return _allow("stop_missing", f"Stop at {exact(candidate.stop)}.", None, candidate.stop)


def stop_side(candidate: Candidate, context: Context) -> Verdict:
    stop, low, high = _stop(candidate), candidate.prices.low, candidate.prices.high
    if candidate.long and not ZERO < stop < low:
        text = f"The stop {exact(stop)} of a long must be below {exact(low)}."
        return _deny("stop_side", text, low, stop)
    if not candidate.long and stop <= high:
        return _deny("stop_side", f"The stop {exact(stop)} of a short must be above {exact(high)}.", high, stop)
    return _allow("stop_side", "The stop is on the right side.", low if candidate.long else high, stop)


def target_side(candidate: Candidate, context: Context) -> Verdict:
    target, low, high = candidate.target, candidate.prices.low, candidate.prices.high
    if target is None:
        return _allow("target_side", "No target is set.")
    if candidate.long and target <= high:
        return _deny("target_side", f"The target {exact(target)} of a long must be above {exact(high)}.", high, target)
    if not candidate.long and not ZERO < target < low:
        return _deny("target_side", f"The target {exact(target)} of a short must be below {exact(low)}.", low, target)
    return _allow("target_side", "The target is on the right side.", high if candidate.long else low, target)


def stop_distance(candidate: Candidate, context: Context) -> Verdict:
    """From the judged price; a trail nearer than the least distance would be the nearer stop."""
    policy = context.policy
    least, most = policy.min_stop_distance, policy.max_stop_distance
    away = _distance(candidate) / candidate.price
    if away < least:
        text = f"The stop is {percent(away)} away from {exact(candidate.price)}, less than {percent(least)}."
        return _deny("stop_distance", text, least, away)
    if away > most:
        text = f"The stop is {percent(away)} away from {exact(candidate.price)}, more than {percent(most)}."
        return _deny("stop_distance", text, most, away)
    if candidate.trail is not None and candidate.trail < least:
        text = f"The trail of {percent(candidate.trail)} is less than {percent(least)}."
        return _deny("stop_distance", text, least, candidate.trail)
    return _allow("stop_distance", f"The stop is {percent(away)} away.", most, away)


def reward_to_risk(candidate: Candidate, context: Context) -> Verdict:
    """Distance of the target over that of the stop, both from the judged price. Without a target: open."""
    least = context.policy.min_reward_to_risk
    if candidate.target is None:
        return _allow("reward_to_risk", "Without a target the reward is open.", least)
    reward = abs(candidate.target - candidate.price) / _distance(candidate)
    if reward < least:
        text = f"Reward to risk from {exact(candidate.price)} is {ratio(reward)}; at least {ratio(least)}."
        return _deny("reward_to_risk", text, least, reward)
    return _allow("reward_to_risk", f"Reward to risk is {ratio(reward)}.", least, reward)


def already_invalid(candidate: Candidate, context: Context) -> Verdict:
    condition = candidate.invalidation
    if condition is not None and holds(condition, candidate.view):
        return _deny("already_invalid", f"The exit condition holds already: {describe(condition)}.")
    return _allow("already_invalid", "The exit condition does not hold.")


def leverage(candidate: Candidate, context: Context) -> Verdict:
    """Clamped, since leverage alone adds no exposure; an add keeps that of its position or is denied."""
    allowed, asked = allowed_leverage(candidate, context), candidate.leverage
    held = context.held(candidate)
    if held is not None and held.leverage > allowed:
        text = f"The position has leverage {held.leverage}, above the allowed {allowed}: it may not grow."
        return _deny("leverage", text, Decimal(allowed), Decimal(held.leverage))
    taken = held.leverage if held is not None else min(asked, allowed)
    if taken != asked:
        why = "an add keeps the leverage of its position" if held is not None else f"at most {allowed} is allowed"
        text = f"Leverage {asked} becomes {taken}: {why}."
        return Verdict("shrink", "leverage", Decimal(allowed), Decimal(asked), text, leverage=taken)
    return _allow("leverage", f"Leverage {asked}.", Decimal(allowed), Decimal(asked))


def open_positions(candidate: Candidate, context: Context) -> Verdict:
    occupied, most = context.portfolio.occupied, context.policy.max_positions
    count = len(occupied | {candidate.symbol})
    if candidate.symbol not in occupied and count > most:
        text = f"It would be position number {count}; at most {most} are allowed."
        return _deny("open_positions", text, Decimal(most), Decimal(count))
    return _allow("open_positions", f"{count} of {most} positions.", Decimal(most), Decimal(count))


def liquidation_before_stop(candidate: Candidate, context: Context) -> Verdict:
    """The venue must not take the position before its stop, slipped and with a share of its way spare."""
    price = liquidation_of(candidate, context)
    if price is None:
        return _allow("liquidation_before_stop", "There is no liquidation price.")
    sign = 1 if candidate.long else -1
    end = exit_price(_stop(candidate), candidate.long, context.policy.max_slippage)
    edge = end - sign * context.policy.liquidation_buffer * _distance(candidate)
    shown, needed = exact(candidate.rules.price(price)), exact(candidate.rules.price(edge))
    if (price - edge) * sign > 0:
        text = (
            f"At leverage {candidate.leverage} liquidation comes at {shown}, too near to the stop "
            f"{exact(_stop(candidate))}; it must be beyond {needed}. Take less leverage or a nearer stop."
        )
        return _deny("liquidation_before_stop", text, edge, price)
    return _allow("liquidation_before_stop", f"Liquidation at {shown} lies beyond the stop.", edge, price)


def liquidation_of(candidate: Candidate, context: Context) -> Decimal | None:
    """The liquidation price of the position that the entry results in; None where it has none."""
    held = context.held(candidate)
    value = candidate.quantity * candidate.price
    size, cost, margin = candidate.quantity, value, value / candidate.leverage
    if held is not None:
        size, cost, margin = size + abs(held.quantity), cost + held.cost, margin + held.margin
    if not size or not candidate.rules.tiers:
        return None
    return liquidation_price(size if candidate.long else -size, cost, margin, candidate.rules.tiers)


def _stop(candidate: Candidate) -> Decimal:
    if candidate.stop is None:
        raise ValueError("This rule comes after `stop_missing`.")
    return candidate.stop


def _distance(candidate: Candidate) -> Decimal:
    return abs(candidate.price - _stop(candidate))
