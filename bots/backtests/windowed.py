"""Indicator windows of a whole series: at each instant the very window that a live cycle reads, digit for digit.

Windows are anchored in absolute time (`markets.domain.windows`), so one window serves a whole block of candles and
its indicators are computed once for all of them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bots.domain.exit_plan import CloseAbove, CloseBelow, Condition, IndicatorAbove, IndicatorBelow
from markets.domain.candles import TIMEFRAMES, Candles, Floats
from markets.domain.snapshot import Series
from markets.domain.windows import BLOCK, WARM

_KEPT = 64
# A number that was read from text and one that was computed may differ by the last bits of a float.
_NOISE = 1e-12


class Windowed:
    """The candles of one instrument and timeframe, cut into the windows of any instant."""

    def __init__(self, timeframe: str, candles: Candles) -> None:
        self.timeframe, self.candles = timeframe, candles
        self._step = TIMEFRAMES[timeframe]
        # One number of it is read as an int of Python, and searched for in half the time.
        self._times = cast("Sequence[int]", memoryview(candles.time.data))
        breaks = np.flatnonzero(np.diff(candles.time) != self._step) + 1
        # Where each unbroken run begins, and the end of the last.
        self._runs: list[int] = [0, *breaks.tolist(), len(candles)]
        self.after_hole = np.zeros(len(candles), bool)
        self.after_hole[breaks] = True
        self._kept: dict[tuple[int, int], Series] = {}
        self._wholes: dict[str, Floats] = {}
        self._empty = Series(timeframe, candles[0:0])
        self._now: tuple[int, int, Series] = (0, -1, self._empty)

    def at(self, now: int) -> Series:
        """The window at `now` (UTC ms). It may hold later candles of its block; a view stops reading at `now`."""
        first, last, series = self._now
        if not first <= now <= last:
            self._now = self._found(now)
            series = self._now[2]
        return series

    def _found(self, now: int) -> tuple[int, int, Series]:
        """The window with the first and the last time (UTC ms) at which it is the one."""
        block = now // self._step // BLOCK
        ends = (block + 1) * BLOCK * self._step - 1
        newest = self._before(now - self._step + 1) - 1
        following = self._times[newest + 1] + self._step - 1 if newest + 1 < len(self._times) else ends
        if newest < 0 or self._times[newest] < (block * BLOCK - WARM) * self._step:
            return now, following, self._empty
        start, end = self._cut(block, bisect_right(self._runs, newest) - 1)
        # It holds until the block ends, or until the first candle of another run has closed.
        if end < len(self._times):
            ends = min(ends, self._times[end] + self._step - 1)
        return now, ends, self._series(start, end)

    def _before(self, time: int) -> int:
        """How many candles open before `time` (UTC ms)."""
        if len(self._runs) == 2 and self._times:
            return min(max(-((self._times[0] - time) // self._step), 0), len(self._times))
        return bisect_left(self._times, time)

    def _cut(self, block: int, run: int) -> tuple[int, int]:
        """The rows of the window that serves a block, of one unbroken run of candles."""
        anchor, beyond = (block * BLOCK - WARM) * self._step, ((block + 1) * BLOCK - 1) * self._step
        return max(self._before(anchor), self._runs[run]), min(self._before(beyond), self._runs[run + 1])

    def _series(self, start: int, end: int) -> Series:
        if (start, end) not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[start, end] = Series(self.timeframe, self.candles[start:end])
        return self._kept[start, end]

    def whole(self, name: str) -> Floats:
        """An indicator at every candle, as it reads when that candle closes. Raises KeyError for an unknown name."""
        if name not in self._wholes:
            self._wholes[name] = self._computed(name)
        return self._wholes[name]

    def might_hold(self, condition: Condition) -> NDArray[np.bool_]:
        """At each candle whether the condition may hold once it has closed: in floats, true wherever it does."""
        match condition:
            case CloseBelow(_, price):
                return self.candles.close <= float(price) * (1 + _NOISE)
            case CloseAbove(_, price):
                return self.candles.close >= float(price) * (1 - _NOISE)
            case IndicatorBelow(_, name, value):
                return self.whole(name) <= float(value) + _NOISE * abs(float(value))
            case IndicatorAbove(_, name, value):
                return self.whole(name) >= float(value) - _NOISE * abs(float(value))

    def _computed(self, name: str) -> Floats:
        values = np.full(len(self.candles), np.nan)
        # The block of a candle is that of the moment at which it closes.
        blocks = (self.candles.time // self._step + 1) // BLOCK
        cuts = np.union1d(np.flatnonzero(np.diff(blocks)) + 1, self._runs)
        for first, last in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True) if len(self.candles) else ():
            start, end = self._cut(int(blocks[first]), bisect_right(self._runs, first) - 1)
            found = Series(self.timeframe, self.candles[start:end]).indicator(name)
            values[first:last] = found[first - start : last - start]
        return values
