"""Rules on the rest of the book: what happened lately, and what an entry adds to its side of the market.

Each is one pure function of candidate and context; their order and wording are in `rules`.
"""

from markets.domain.rounding import ZERO

from .risk import Candidate, Context, Verdict
from .size_rules import within


def locked(candidate: Candidate, context: Context) -> Verdict:
    """A lock of everything, of the instrument or of its side keeps entries out until its time has come."""
    now = candidate.view.now
    held = next((lock for lock in context.locks if lock.holds_for(candidate.symbol, candidate.long, now)), None)
    if held is None:
        return Verdict("allow", "locked", None, None, "Nothing is locked.")
    text = f"Entries are locked until {held.until:%d %b %H:%M} UTC: {held.reason}"
    return Verdict("deny", "locked", held.limit, held.value, text)


def side_exposure(candidate: Candidate, context: Context) -> Verdict:
    """All longs together, or all shorts together, live entries included: coins fall together."""
    portfolio, long = context.portfolio, candidate.long
    used = sum((held.notional for held in portfolio.positions if held.long == long), ZERO)
    used += sum((entry.notional for entry in portfolio.pending if entry.long == long), ZERO)
    what, limit = f"Exposure of all {'longs' if long else 'shorts'}", context.policy.max_side_exposure
    return within(candidate, context, "side_exposure", what, limit, used, candidate.prices.value)
