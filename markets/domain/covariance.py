"""How instruments move together: the covariance of their log returns, put on a day, and what it says of a book.

The volatility of a book is the square root of w'Σw, with w its signed exposures over equity. Coins that move together
add up, opposite sides take away; a book of ten longs is not ten small risks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from .candles import TIMEFRAMES, Candles, Floats

TIMEFRAME, DAYS, FEWEST = "1h", 30, 48
_STEP, _DAY = TIMEFRAMES[TIMEFRAME], TIMEFRAMES["1d"]


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """`matrix` is Σ of a day, in the order of `symbols`."""

    symbols: tuple[str, ...]
    matrix: Floats

    def weights(self, shares: Mapping[str, float]) -> Floats:
        """Signed exposures over equity as a vector; a symbol that is not known here counts for nothing."""
        return np.array([shares.get(symbol, 0.0) for symbol in self.symbols])

    def volatility(self, weights: Floats) -> float:
        """The standard deviation of a day, as a fraction of equity."""
        return sqrt(max(float(weights @ self.matrix @ weights), 0.0))

    def room(self, weights: Floats, symbol: str, sign: int, most: float) -> float:
        """How much weight fits into `symbol` on the side `sign` until the book's volatility is `most`.

        A book beyond it may take what does not raise it: the solution of (w + x e)'Σ(w + x e) = V for x.
        """
        place = self.symbols.index(symbol)
        own, lean = float(self.matrix[place, place]), sign * float(self.matrix[place] @ weights)
        now = float(weights @ self.matrix @ weights)
        if own <= 0:
            return float("inf")
        return (sqrt(max(lean * lean + own * (max(most * most, now) - now), 0.0)) - lean) / own


def covariance(candles: Mapping[str, Candles]) -> Covariance | None:
    """Of hourly candles by symbol, at the hours that all have; None for fewer than two days of them.

    Symbols without candles are left out. A return over a gap is longer than the others, and so left out too.
    """
    known = {symbol: one for symbol, one in candles.items() if len(one) > FEWEST}
    if not known:
        return None
    times = None
    for one in known.values():
        times = one.time if times is None else np.intersect1d(times, one.time, assume_unique=True)
    assert times is not None
    if len(times) <= FEWEST:
        return None
    closes = np.array([one.close[np.searchsorted(one.time, times)] for one in known.values()])
    returns = np.diff(np.log(closes))[:, np.diff(times) == _STEP]
    if returns.shape[1] < FEWEST:
        return None
    return Covariance(tuple(known), np.atleast_2d(np.cov(returns)) * (_DAY / _STEP))
