"""The slots of a backtest, and those of them at which its decider has to be asked.

What a decider can tell beforehand is in `bots.domain.foresight`. Where a candle is missing nothing is foreseen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bots.domain.foresight import Foreseeing, Mask
from bots.domain.policy import Policy
from markets.domain import indicators
from markets.domain.candles import TIMEFRAMES, Candles, Floats

from .market import Course, Market


class CoursePast:
    """The whole series of one instrument, as a decider may look at it: see `bots.domain.foresight.Past`."""

    def __init__(self, course: Course) -> None:
        self._windows = course.windows

    def candles(self, timeframe: str) -> Candles:
        return self._windows[timeframe].candles

    def indicator(self, timeframe: str, name: str) -> Floats:
        return self._windows[timeframe].whole(name)

    def rough(self, timeframe: str, name: str) -> Floats:
        return indicators.compute(name, self._windows[timeframe].candles)


class Moments:
    """The slots at which the decider has to be asked, by what it holds in each instrument."""

    def __init__(
        self, market: Market, interval: int, decider: object, timeframes: tuple[str, ...], policy: Policy
    ) -> None:
        self._market, self._every, self._end = market, max(interval // market.step, 1), market.instants
        # A slot between two instants is taken at the later one; of several before one instant it is the latest.
        times = np.arange(0, market.instants * market.step, max(interval, market.step))
        self._slots = -(-times // market.step)
        self._regular = interval % market.step == 0 or interval < market.step
        self._masks: dict[str, tuple[Sequence[int], ...]] = {}
        if isinstance(decider, Foreseeing):
            past = {symbol: CoursePast(course) for symbol, course in market.courses.items()}
            for symbol, seen in decider.foresee(past, timeframes, policy).items():
                known = self._known(market.courses[symbol], seen.timeframe)
                self._masks[symbol] = tuple(self._at(known, mask) for mask in (seen.flat, seen.long, seen.short))
        self._foreseen = bool(self._masks) and self._masks.keys() == market.courses.keys()

    def _known(self, course: Course, timeframe: str) -> tuple[NDArray[np.int64], Mask]:
        """At each slot the newest closed candle, and whether it is the one that was due."""
        length, times = TIMEFRAMES[timeframe], course.windows[timeframe].candles.time
        now = self._market.start + self._slots * self._market.step
        newest = times.searchsorted(now - length, side="right") - 1
        fresh = newest >= 0
        if len(times):
            fresh &= times[np.maximum(newest, 0)] == (now // length - 1) * length
        return newest, fresh

    def _at(self, known: tuple[NDArray[np.int64], Mask], mask: Mask) -> Sequence[int]:
        newest, fresh = known
        # Where a candle is missing nothing is foreseen, so the decider is asked.
        wanted = ~fresh
        wanted[fresh] = mask[newest[fresh]]
        # A list is searched several times as fast as an array.
        found: list[int] = self._slots[wanted].tolist()
        return found

    def due(self, number: int) -> bool:
        """Whether the bot has a slot at this instant."""
        if number >= self._end:
            return False
        if self._regular:
            return number % self._every == 0
        place = int(self._slots.searchsorted(number))
        return place < len(self._slots) and int(self._slots[place]) == number

    def between(self, first: int, last: int) -> NDArray[np.int64]:
        """The slots from the instant `first` to before `last`."""
        if self._regular:
            # They can be counted.
            return self._slots[-(-first // self._every) : -(-last // self._every)]
        found: NDArray[np.int64] = self._slots[self._slots.searchsorted(first) : self._slots.searchsorted(last)]
        return found

    def following(self, number: int, sides: Mapping[str, int | None], until: int) -> int:
        """The first slot after `number`, at most `until`, at which the decider may act.

        `sides` tells by symbol what is held: 0 nothing, 1 a long, 2 a short; None: an entry is on its way.
        """
        if not self._foreseen:
            return min(self._next_slot(number), until)
        for symbol, side in sides.items():
            if side is None:
                return min(self._next_slot(number), until)
            moments = self._masks[symbol][side]
            place = bisect_right(moments, number)
            if place < len(moments) and moments[place] < until:
                until = moments[place]
        return until

    def _next_slot(self, number: int) -> int:
        if self._regular:
            return min((number // self._every + 1) * self._every, self._end)
        place = int(self._slots.searchsorted(number, side="right"))
        return int(self._slots[place]) if place < len(self._slots) else self._end

    def asks(self, number: int, sides: Mapping[str, int | None]) -> bool:
        """Whether the decider must be asked at the slot of this instant."""
        if not self._foreseen:
            return True
        for symbol, side in sides.items():
            if side is None:
                return True
            moments = self._masks[symbol][side]
            place = bisect_left(moments, number)
            if place < len(moments) and moments[place] == number:
                return True
        return False
