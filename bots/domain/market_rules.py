"""Rules on the market an entry goes into: how wide its spread is, how deep it is, and what holding costs.

Each is one pure function of candidate and context; their order and wording are in `rules`.
"""

from decimal import Decimal

from markets.domain.book_depth import UNKNOWN_LIQUIDITY
from markets.domain.rounding import ZERO

from .risk import Candidate, Context, Said, Verdict, allowed
from .size_rules import cut
from .sizing import fit
from .wording import amount, percent

HOURS_A_DAY = 24


def spread(candidate: Candidate, context: Context) -> Said:
    """From bid to ask, over the price in the middle of them."""
    limit, quote = context.policy.max_spread, candidate.view.quote
    wide = (quote.ask - quote.bid) * 2 / (quote.ask + quote.bid)
    if wide > limit:
        text = f"The spread is {percent(wide)} of the price; at most {percent(limit)}."
        return Verdict("deny", "spread", limit, wide, text)
    return _narrow, limit, wide


def _narrow(limit: Decimal, wide: Decimal) -> Verdict:
    return allowed("spread", f"The spread is {percent(wide)} of the price.", limit, wide)


def funding(candidate: Candidate, context: Context) -> Said:
    """What the side of the entry would pay a day at the rate that is known now; to receive it is free."""
    limit, rate = context.policy.max_funding, candidate.view.quote.funding_rate
    if rate is None:
        return allowed, "funding", "No funding is known of.", limit
    paid = (rate if candidate.long else -rate) * HOURS_A_DAY / max(candidate.view.rules.funding_hours, 1)
    if paid > limit:
        text = f"Funding would cost {percent(paid)} of the position a day; at most {percent(limit)}."
        return Verdict("deny", "funding", limit, paid, text)
    return _funded, limit, paid


def _funded(limit: Decimal, paid: Decimal) -> Verdict:
    verb = "costs" if paid >= ZERO else "brings"
    return allowed("funding", f"Funding {verb} {percent(abs(paid))} of the position a day.", limit, paid)


def depth(candidate: Candidate, context: Context) -> Said:
    """The whole position against what usually trades in one candle: what cannot be sold again is not bought."""
    limit, held, liquidity = context.policy.max_depth_share, context.held(candidate), candidate.view.quote.liquidity
    traded = liquidity if liquidity > ZERO else UNKNOWN_LIQUIDITY
    used = held.notional if held else ZERO
    share = (used + candidate.notional) / traded
    if share <= limit:
        return _deep, limit, share
    rules, room = candidate.view.rules, limit * traded - used
    text = (
        f"The position would be {percent(share)} of the {amount(traded, rules.quote)} that usually trade in "
        f"one candle; at most {percent(limit)}."
    )
    return cut(candidate, "depth", limit, share, fit(room, candidate.prices.value, rules), text)


def _deep(limit: Decimal, share: Decimal) -> Verdict:
    return allowed("depth", f"The position is {percent(share)} of what usually trades in one candle.", limit, share)
