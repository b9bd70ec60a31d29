"""The lines of a report, thinned to what a screen can show: equity, drawdown, results, candles with trades.

Pure. Thinning keeps what is told: the end of each stretch of equity, the deepest of drawdown, all prices of candles.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from markets.domain.candles import Candles, Floats

from .engine import Result
from .figures import Lines
from .records import Position

POINTS = 500
BARS = 180
BINS = 30
MARKS = 400


def charts(result: Result, lines: Lines) -> dict[str, Any]:
    """Values for JSON; times are UTC seconds, drawdown and results fractions."""
    ends = _ends(len(lines.times))
    peaks = np.maximum.accumulate(lines.equity)
    under = np.divide(peaks - lines.equity, peaks, out=np.zeros_like(peaks), where=peaks > 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return {
        "times": lines.times[ends].tolist(),
        "equity": _rounded(lines.equity[ends], 2),
        "held_instead": _rounded(lines.held_instead[ends], 2),
        "drawdown": _rounded(np.maximum.reduceat(under, starts), 5),
        "results": _histogram(result),
        "candles": {one.rules.symbol: _candles(one.candles, one.rules.symbol, result) for one in result.market.listed},
    }


def _ends(count: int) -> NDArray[np.int64]:
    """The places of the last value of each stretch; the first and the last are always among them."""
    return np.unique(np.linspace(0, count - 1, min(POINTS, count)).astype(np.int64))


def _histogram(result: Result) -> dict[str, list[float]]:
    """How many closed trades made which share of what they cost: edges, and counts between them."""
    shares = [float(one.net / one.figures.entry_value) for one in result.closed if one.figures.entry_value]
    if not shares:
        return {"edges": [], "counts": []}
    counts, edges = np.histogram(shares, bins=min(BINS, max(len(shares), 5)))
    return {"edges": _rounded(edges, 6), "counts": counts.astype(float).tolist()}


def _candles(candles: Candles, symbol: str, result: Result) -> dict[str, Any]:
    """At most 180 candles of the period, with entries and exits (time, price, kind): the newest of many."""
    market = result.market
    first, last = candles.time.searchsorted(market.start), candles.time.searchsorted(market.end)
    shown = candles[int(first) : int(last)]
    if not len(shown):
        return {"times": [], "open": [], "high": [], "low": [], "close": [], "marks": []}
    starts = np.unique(np.linspace(0, len(shown), min(BARS, len(shown)), endpoint=False).astype(np.int64))
    ends = np.append(starts[1:], len(shown)) - 1
    own = [one for one in (*result.closed, *result.open) if one.symbol == symbol]
    marks = sorted(mark for one in own for mark in _marks(one))
    return {
        "times": (shown.time[starts] // 1000).tolist(),
        "open": shown.open[starts].tolist(),
        "high": np.maximum.reduceat(shown.high, starts).tolist(),
        "low": np.minimum.reduceat(shown.low, starts).tolist(),
        "close": shown.close[ends].tolist(),
        "marks": marks[-MARKS:],
        "all_marks": len(marks),
    }


def _marks(position: Position) -> list[list[Any]]:
    f, found = position.figures, []
    if position.opened_at is not None and f.entry_quantity:
        kind = "long" if position.long else "short"
        found.append([int(position.opened_at.timestamp()), float(f.entry_value / f.entry_quantity), kind])
    if position.closed_at is not None and f.exit_quantity:
        kind = "gain" if position.net > 0 else "loss"
        found.append([int(position.closed_at.timestamp()), float(f.exit_value / f.exit_quantity), kind])
    return found


def _rounded(values: Floats, places: int) -> list[float]:
    found: list[float] = np.round(values, places).tolist()
    return found
