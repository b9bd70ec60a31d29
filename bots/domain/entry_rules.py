"""Rules on whether an entry may be made at all: state, data, conviction, stop, target, leverage, places.

Each is one pure function of candidate and context. Their order and their wording for prompts are in `rules`.
"""

from decimal import Decimal
from math import inf

from markets.domain.candles import TIMEFRAMES
from markets.domain.instruments import InstrumentRules
from markets.domain.margin import liquidation_price
from markets.domain.rounding import ZERO

from .exit_plan import describe, holds
from .risk import Candidate, Context, Passed, Said, Verdict, allowed, exit_price
from .sizing import allowed_leverage
from .wording import exact, percent, ratio


def _deny(code: str, text: str, limit: Decimal | None = None, value: Decimal | None = None) -> Verdict:
    return Verdict("deny", code, limit, value, text)


# What is said without a number is said once.
_ACTIVE: Passed = allowed, "trading_state", "Trading is active."
_ANSWERED: Passed = allowed, "safe_mode", "The model has answered before."
_FREE: Passed = allowed, "instrument_blocked", "The instrument is free."
_VALID: Passed = allowed, "already_invalid", "The exit condition does not hold."
_OPEN_ENDED: Passed = allowed, "target_side", "No target is set."
_JUST_NOW = Decimal("0.0")
_ENDLESS: Passed = allowed, "liquidation_before_stop", "There is no liquidation price."


def trading_state(candidate: Candidate, context: Context) -> Said:
    if context.state == "active":
        return _ACTIVE
    return _deny("trading_state", f"Trading is {context.state.replace('_', '-')}: only exits are allowed.")


def safe_mode(candidate: Candidate, context: Context) -> Said:
    """After repeated failures the first answer that comes may exit and adjust; the next one may enter again."""
    if context.safe_mode:
        return _deny("safe_mode", "The model has failed repeatedly: this answer may only exit and adjust.")
    return _ANSWERED


def instrument_blocked(candidate: Candidate, context: Context) -> Said:
    portfolio, rules = context.portfolio, candidate.view.rules
    symbol = rules.symbol
    reason = portfolio.blocked.get(symbol)
    if reason is not None:
        return _deny("instrument_blocked", f"No new exposure in {symbol}: there is {reason}.")
    if portfolio.pending and any(entry.symbol == symbol for entry in portfolio.pending):
        return _deny("instrument_blocked", f"No new exposure in {symbol}: an entry order is still live.")
    if rules.closing:
        return _deny("instrument_blocked", f"No new exposure in {symbol}: {rules.closing}.")
    if not candidate.long and rules.kind == "spot":
        return _deny("instrument_blocked", f"{symbol} is spot and cannot be sold short.")
    return _FREE


def stale_data(candidate: Candidate, context: Context) -> Said:
    """Price and each candle series must be fresh; a candle is late when the next one should have closed."""
    most, view = context.policy.max_data_age_seconds, candidate.view
    part, oldest = "price", view.price_age
    for timeframe, series in view.series.items():
        late = series.age_at(view.now) - TIMEFRAMES[timeframe] / 1000
        if oldest < late < inf:
            part, oldest = f"{timeframe} candle", late
    if oldest > most:
        age = Decimal(repr(oldest))
        return _deny("stale_data", f"The {part} is {age:.0f} s late, more than {most} s.", Decimal(most), age)
    return _fresh, most, oldest


def _fresh(most: int, oldest: float) -> Verdict:
    age = Decimal(repr(oldest)) if oldest > 0 else _JUST_NOW
    return allowed("stale_data", f"All data is at most {age:.0f} s late.", Decimal(most), age)


def confidence(candidate: Candidate, context: Context) -> Said:
    least, conviction = context.policy.min_confidence, candidate.conviction
    if conviction < least:
        text = f"Conviction {ratio(conviction)} is below the least of {ratio(least)}."
        return _deny("confidence", text, least, conviction)
    return _convinced, least, conviction


def _convinced(least: Decimal, conviction: Decimal) -> Verdict:
    return allowed("confidence", f"Conviction {ratio(conviction)}.", least, conviction)


def price_band(candidate: Candidate, context: Context) -> Said:
    mark, band = candidate.view.quote.mark, context.policy.price_band
    away = abs(candidate.prices.judged - mark) / mark
    if away > band:
        text = f"The entry price {exact(candidate.prices.judged)} is {percent(away)} away from {exact(mark)}."
        return _deny("price_band", text, band, away)
    return _near_mark, band, away


def _near_mark(band: Decimal, away: Decimal) -> Verdict:
    return allowed("price_band", f"The entry price is {percent(away)} away from the mark.", band, away)


def stop_missing(candidate: Candidate, context: Context) -> Said:
    stop = candidate.stop
    if stop is None:
        return _deny("stop_missing", "An entry without a stop is not allowed.")
    return _stopped, stop


def _stopped(stop: Decimal) -> Verdict:
    return allowed("stop_missing", f"Stop at {exact(stop)}.", None, stop)


def stop_side(candidate: Candidate, context: Context) -> Said:
    stop, low, high = _stop(candidate), candidate.prices.low, candidate.prices.high
    if candidate.long and not ZERO < stop < low:
        text = f"The stop {exact(stop)} of a long must be below {exact(low)}."
        return _deny("stop_side", text, low, stop)
    if not candidate.long and stop <= high:
        return _deny("stop_side", f"The stop {exact(stop)} of a short must be above {exact(high)}.", high, stop)
    return allowed, "stop_side", "The stop is on the right side.", low if candidate.long else high, stop


def target_side(candidate: Candidate, context: Context) -> Said:
    target, low, high = candidate.target, candidate.prices.low, candidate.prices.high
    if target is None:
        return _OPEN_ENDED
    if candidate.long and target <= high:
        return _deny("target_side", f"The target {exact(target)} of a long must be above {exact(high)}.", high, target)
    if not candidate.long and not ZERO < target < low:
        return _deny("target_side", f"The target {exact(target)} of a short must be below {exact(low)}.", low, target)
    return allowed, "target_side", "The target is on the right side.", high if candidate.long else low, target


def stop_distance(candidate: Candidate, context: Context) -> Said:
    """From the judged price; a trail nearer than the least distance would be the nearer stop."""
    policy = context.policy
    least, most = policy.min_stop_distance, policy.max_stop_distance
    away = _distance(candidate) / candidate.prices.judged
    if away < least:
        text = f"The stop is {percent(away)} away from {exact(candidate.prices.judged)}, less than {percent(least)}."
        return _deny("stop_distance", text, least, away)
    if away > most:
        text = f"The stop is {percent(away)} away from {exact(candidate.prices.judged)}, more than {percent(most)}."
        return _deny("stop_distance", text, most, away)
    if candidate.trail is not None and candidate.trail < least:
        text = f"The trail of {percent(candidate.trail)} is less than {percent(least)}."
        return _deny("stop_distance", text, least, candidate.trail)
    return _distant, most, away


def _distant(most: Decimal, away: Decimal) -> Verdict:
    return allowed("stop_distance", f"The stop is {percent(away)} away.", most, away)


def reward_to_risk(candidate: Candidate, context: Context) -> Said:
    """Distance of the target over that of the stop, both from the judged price. Without a target: open."""
    least = context.policy.min_reward_to_risk
    if candidate.target is None:
        return allowed, "reward_to_risk", "Without a target the reward is open.", least
    reward = abs(candidate.target - candidate.prices.judged) / _distance(candidate)
    if reward < least:
        text = f"Reward to risk from {exact(candidate.prices.judged)} is {ratio(reward)}; at least {ratio(least)}."
        return _deny("reward_to_risk", text, least, reward)
    return _rewarding, least, reward


def _rewarding(least: Decimal, reward: Decimal) -> Verdict:
    return allowed("reward_to_risk", f"Reward to risk is {ratio(reward)}.", least, reward)


def already_invalid(candidate: Candidate, context: Context) -> Said:
    condition = candidate.invalidation
    if condition is not None and holds(condition, candidate.view):
        return _deny("already_invalid", f"The exit condition holds already: {describe(condition)}.")
    return _VALID


def leverage(candidate: Candidate, context: Context) -> Said:
    """Clamped, since leverage alone adds no exposure; an add keeps that of its position or is denied."""
    most, asked, held = allowed_leverage(candidate, context), candidate.leverage, context.held(candidate)
    if held is not None and held.leverage > most:
        text = f"The position has leverage {held.leverage}, above the allowed {most}: it may not grow."
        return _deny("leverage", text, Decimal(most), Decimal(held.leverage))
    taken = held.leverage if held is not None else min(asked, most)
    if taken != asked:
        why = "an add keeps the leverage of its position" if held is not None else f"at most {most} is allowed"
        text = f"Leverage {asked} becomes {taken}: {why}."
        return Verdict("shrink", "leverage", Decimal(most), Decimal(asked), text, leverage=taken)
    return _leveraged, most, asked


def _leveraged(most: int, asked: int) -> Verdict:
    return allowed("leverage", f"Leverage {asked}.", Decimal(most), Decimal(asked))


def open_positions(candidate: Candidate, context: Context) -> Said:
    occupied, most = context.occupied, context.policy.max_positions
    known = candidate.view.rules.symbol in occupied
    count = len(occupied) + (not known)
    if not known and count > most:
        text = f"It would be position number {count}; at most {most} are allowed."
        return _deny("open_positions", text, Decimal(most), Decimal(count))
    return _placed, most, count


def _placed(most: int, count: int) -> Verdict:
    return allowed("open_positions", f"{count} of {most} positions.", Decimal(most), Decimal(count))


def liquidation_before_stop(candidate: Candidate, context: Context) -> Said:
    """The venue must not take the position before its stop, slipped and with a share of its way spare."""
    price, rules = liquidation_of(candidate, context, candidate.leverage), candidate.view.rules
    if price is None:
        return _ENDLESS
    edge = safe_edge(candidate, context)
    if price > edge if candidate.long else price < edge:
        text = (
            f"At leverage {candidate.leverage} liquidation comes at {exact(rules.price(price))}, too near to the stop "
            f"{exact(_stop(candidate))}; it must be beyond {exact(rules.price(edge))}. "
            "Take less leverage or a nearer stop."
        )
        return _deny("liquidation_before_stop", text, edge, price)
    return _beyond_stop, edge, price, rules


def _beyond_stop(edge: Decimal, price: Decimal, rules: InstrumentRules) -> Verdict:
    text = f"Liquidation at {exact(rules.price(price))} lies beyond the stop."
    return allowed("liquidation_before_stop", text, edge, price)


def safe_edge(candidate: Candidate, context: Context) -> Decimal:
    """The price that liquidation must not come before: the stop, slipped and with a share of its way spare."""
    policy, stop, long = context.policy, _stop(candidate), candidate.long
    end, spare = exit_price(stop, long, policy.max_slippage), policy.liquidation_buffer * _distance(candidate)
    return end - spare if long else end + spare


def liquidation_of(candidate: Candidate, context: Context, leverage: int) -> Decimal | None:
    """The liquidation price of the position that the entry results in at this leverage; None where it has none."""
    held, tiers, size = context.held(candidate), candidate.view.rules.tiers, candidate.quantity
    cost = size * candidate.prices.judged
    margin = cost / leverage
    if held is not None:
        size, cost, margin = size + abs(held.quantity), cost + held.cost, margin + held.margin
    if not size or not tiers:
        return None
    return liquidation_price(size if candidate.long else -size, cost, margin, tiers)


def _stop(candidate: Candidate) -> Decimal:
    if candidate.stop is None:
        raise ValueError("This rule comes after `stop_missing`.")
    return candidate.stop


def _distance(candidate: Candidate) -> Decimal:
    return abs(candidate.prices.judged - _stop(candidate))
