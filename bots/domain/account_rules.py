"""Rules on the rest of the book: what happened lately, and what an entry adds to its side of the market.

Each is one pure function of candidate and context; their order and wording are in `rules`.
"""

from decimal import Decimal

from markets.domain.rounding import ZERO

from .risk import Candidate, Context, Verdict, allowed
from .size_rules import cut, within
from .sizing import fit
from .wording import percent

_UNLOCKED = allowed("locked", "Nothing is locked.")
_UNLIMITED = allowed("user_exposure", "Its owner has set no exposure limit.")


def locked(candidate: Candidate, context: Context) -> Verdict:
    """A lock of everything, of the instrument or of its side keeps entries out until its time has come."""
    now = candidate.view.now
    held = next((lock for lock in context.locks if lock.holds_for(candidate.symbol, candidate.long, now)), None)
    if held is None:
        return _UNLOCKED
    text = f"Entries are locked until {held.until:%d %b %H:%M} UTC: {held.reason}"
    return Verdict("deny", "locked", held.limit, held.value, text)


def side_exposure(candidate: Candidate, context: Context) -> Verdict:
    """All longs together, or all shorts together, live entries included: coins fall together."""
    portfolio, long, used = context.portfolio, candidate.long, ZERO
    for part in portfolio.parts:
        if part.long == long:
            used += part.notional
    what, limit = f"Exposure of all {'longs' if long else 'shorts'}", context.policy.max_side_exposure
    return within(candidate, context, "side_exposure", what, limit, used, candidate.prices.value)


def user_exposure(candidate: Candidate, context: Context) -> Verdict:
    """The user's own limit over all accounts of one currency; without their totals nothing is added."""
    limit, used, equity = context.user_max_exposure, context.user_exposure, context.user_equity
    if limit is None:
        return _UNLIMITED
    if used is None or equity is None:
        text = "The exposure of all accounts is not known, so nothing is added to it."
        return Verdict("deny", "user_exposure", limit, None, text)
    what, each = "Exposure of all accounts", candidate.prices.value
    return within(candidate, context, "user_exposure", what, limit, used, each, equity)


def portfolio_volatility(candidate: Candidate, context: Context) -> Verdict:
    """The square root of w'Σw of the book as it would be, live entries included."""
    limit, equity, sigma = context.policy.max_volatility, context.equity, context.covariance
    if sigma is None or candidate.symbol not in sigma.symbols or equity <= ZERO:
        return allowed("portfolio_volatility", "There are too few candles to tell.", limit)
    sign, before = 1 if candidate.long else -1, _shares(context)
    own = before.get(candidate.symbol, 0.0) + sign * float(candidate.notional / equity)
    value = Decimal(repr(sigma.volatility(sigma.weights(before | {candidate.symbol: own}))))
    if value <= limit:
        return allowed(
            "portfolio_volatility", lambda: f"The book would move {percent(value)} of equity a day.", limit, value
        )
    text = f"The book would move {percent(value)} of equity a day; at most {percent(limit)}."
    free = sigma.room(sigma.weights(before), candidate.symbol, sign, float(limit))
    fitting = fit(Decimal(repr(max(free, 0.0))) * equity, candidate.prices.value, candidate.rules)
    if fitting >= candidate.quantity:
        text = f"The book moves {percent(value)} of equity a day, and no more than before."
        return allowed("portfolio_volatility", text, limit, value)
    return cut(candidate, "portfolio_volatility", limit, value, fitting, text)


def _shares(context: Context) -> dict[str, float]:
    """Signed exposures over equity by symbol."""
    shares: dict[str, float] = {}
    for part in context.portfolio.parts:
        share = float(part.notional / context.equity)
        shares[part.symbol] = shares.get(part.symbol, 0.0) + (share if part.long else -share)
    return shares
