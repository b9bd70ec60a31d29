"""How instruments move together: the covariance of their log returns, put on a day, and what it says of a book.

The volatility of a book is the square root of w'Σw, with w its signed exposures over equity. Coins that move together
add up, opposite sides take away; a book of ten longs is not ten small risks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from .candles import TIMEFRAMES, Candles, Floats, Times

TIMEFRAME, DAYS, FEWEST = "1h", 30, 48
_STEP, _DAY = TIMEFRAMES[TIMEFRAME], TIMEFRAMES["1d"]


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """`matrix` is Σ of a day, in the order of `symbols`."""

    symbols: tuple[str, ...]
    matrix: Floats
    deviations: dict[str, float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own = np.sqrt(np.maximum(self.matrix.diagonal(), 0.0)).tolist()
        object.__setattr__(self, "deviations", dict(zip(self.symbols, own, strict=True)))

    def at_most(self, shares: Mapping[str, float]) -> float:
        """What the volatility of signed exposures over equity cannot exceed: that of instruments all moving as one.

        A millionth is added, so that rounding never puts it below `volatility`.
        """
        total = 0.0
        for symbol, share in shares.items():
            total += abs(share) * self.deviations.get(symbol, 0.0)
        return total * 1.000001

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
    times, *others = (one.time for one in known.values())
    for other in others:
        if not np.array_equal(times, other):
            times = np.intersect1d(times, other, assume_unique=True)
    if len(times) <= FEWEST:
        return None
    closes = np.array([_at(one, times) for one in known.values()])
    logs = np.log(closes)
    unbroken = times[1:] - times[:-1] == _STEP
    returns = (logs[:, 1:] - logs[:, :-1])[:, unbroken]
    count = returns.shape[1]
    if count < FEWEST:
        return None
    returns -= returns.mean(axis=1, keepdims=True)
    return Covariance(tuple(known), returns @ returns.T * (_DAY / _STEP / (count - 1)))


def _at(candles: Candles, times: Times) -> Floats:
    """The closes at `times`, which are all there."""
    return candles.close if len(candles) == len(times) else candles.close[np.searchsorted(candles.time, times)]
