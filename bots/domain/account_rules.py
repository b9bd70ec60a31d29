"""Rules on the rest of the book: what happened lately, and what an entry adds to its side of the market.

Each is one pure function of candidate and context; their order and wording are in `rules`.
"""

from decimal import Decimal

from markets.domain.covariance import Covariance
from markets.domain.rounding import ZERO

from .risk import Candidate, Context, Passed, Said, Verdict, allowed
from .size_rules import cut, within
from .sizing import fit
from .wording import percent

_LONGS, _SHORTS = "Exposure of all longs", "Exposure of all shorts"
_UNLOCKED: Passed = allowed, "locked", "Nothing is locked."
_UNLIMITED: Passed = allowed, "user_exposure", "Its owner has set no exposure limit."


def locked(candidate: Candidate, context: Context) -> Said:
    """A lock of everything, of the instrument or of its side keeps entries out until its time has come."""
    if not context.locks:
        return _UNLOCKED
    now = candidate.view.now
    held = next((lock for lock in context.locks if lock.holds_for(candidate.symbol, candidate.long, now)), None)
    if held is None:
        return _UNLOCKED
    text = f"Entries are locked until {held.until:%d %b %H:%M} UTC: {held.reason}"
    return Verdict("deny", "locked", held.limit, held.value, text)


def side_exposure(candidate: Candidate, context: Context) -> Said:
    """All longs together, or all shorts together, live entries included: coins fall together."""
    what, used = (_LONGS, context.longs) if candidate.long else (_SHORTS, context.shorts)
    limit, each = context.policy.max_side_exposure, candidate.prices.value
    return within(candidate, context, "side_exposure", what, limit, used, each)


def user_exposure(candidate: Candidate, context: Context) -> Said:
    """The user's own limit over all accounts of one currency; without their totals nothing is added."""
    limit, used, equity = context.user_max_exposure, context.user_exposure, context.user_equity
    if limit is None:
        return _UNLIMITED
    if used is None or equity is None:
        text = "The exposure of all accounts is not known, so nothing is added to it."
        return Verdict("deny", "user_exposure", limit, None, text)
    what, each = "Exposure of all accounts", candidate.prices.value
    return within(candidate, context, "user_exposure", what, limit, used, each, equity)


def portfolio_volatility(candidate: Candidate, context: Context) -> Said:
    """The square root of w'Σw of the book as it would be, live entries included."""
    limit, equity, sigma = context.policy.max_volatility, context.equity, context.covariance
    symbol = candidate.view.rules.symbol
    if sigma is None or symbol not in sigma.symbols or equity <= ZERO:
        return allowed, "portfolio_volatility", "There are too few candles to tell.", limit
    sign, before = 1 if candidate.long else -1, _shares(context)
    own = before.get(symbol, 0.0) + sign * float(candidate.notional / equity)
    after = before | {symbol: own}
    if sigma.at_most(after) < float(limit) or (value := _volatility(sigma, after)) <= limit:
        return _calm, limit, sigma, after
    text = f"The book would move {percent(value)} of equity a day; at most {percent(limit)}."
    free = sigma.room(sigma.weights(before), symbol, sign, float(limit))
    fitting = fit(Decimal(repr(max(free, 0.0))) * equity, candidate.prices.value, candidate.view.rules)
    if fitting >= candidate.quantity:
        text = f"The book moves {percent(value)} of equity a day, and no more than before."
        return allowed, "portfolio_volatility", text, limit, value
    return cut(candidate, "portfolio_volatility", limit, value, fitting, text)


def _calm(limit: Decimal, sigma: Covariance, shares: dict[str, float]) -> Verdict:
    value = _volatility(sigma, shares)
    return allowed("portfolio_volatility", f"The book would move {percent(value)} of equity a day.", limit, value)


def _volatility(sigma: Covariance, shares: dict[str, float]) -> Decimal:
    return Decimal(repr(sigma.volatility(sigma.weights(shares))))


def _shares(context: Context) -> dict[str, float]:
    """Signed exposures over equity by symbol."""
    shares: dict[str, float] = {}
    for part in context.portfolio.parts:
        share = float(part.notional / context.equity)
        shares[part.symbol] = shares.get(part.symbol, 0.0) + (share if part.long else -share)
    return shares
