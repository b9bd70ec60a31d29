"""The slots of a backtest, and those of them at which its decider has to be asked.

What a decider can tell beforehand is in `bots.domain.foresight`. Where a candle is missing nothing is foreseen.
"""

from collections.abc import Mapping

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
        self._market, self._every = market, max(interval // market.step, 1)
        # A slot between two instants is taken at the later one; of several before one instant it is the latest.
        times = np.arange(0, market.instants * market.step, max(interval, market.step))
        self._slots = -(-times // market.step)
        self._regular = interval % market.step == 0 or interval < market.step
        self._masks: dict[str, tuple[NDArray[np.int64], ...]] = {}
        if isinstance(decider, Foreseeing):
            past = {symbol: CoursePast(course) for symbol, course in market.courses.items()}
            for symbol, seen in decider.foresee(past, timeframes, policy).items():
                known = self._known(market.courses[symbol], seen.timeframe)
                self._masks[symbol] = tuple(self._at(known, mask) for mask in (seen.flat, seen.long, seen.short))

    def _known(self, course: Course, timeframe: str) -> tuple[NDArray[np.int64], Mask]:
        """At each slot the newest closed candle, and whether it is the one that was due."""
        length, times = TIMEFRAMES[timeframe], course.windows[timeframe].candles.time
        now = self._market.start + self._slots * self._market.step
        newest = times.searchsorted(now - length, side="right") - 1
        fresh = newest >= 0
        if len(times):
            fresh &= times[np.maximum(newest, 0)] == (now // length - 1) * length
        return newest, fresh

    def _at(self, known: tuple[NDArray[np.int64], Mask], mask: Mask) -> NDArray[np.int64]:
        newest, fresh = known
        # Where a candle is missing nothing is foreseen, so the decider is asked.
        wanted = ~fresh
        wanted[fresh] = mask[newest[fresh]]
        return self._slots[wanted]

    def due(self, number: int) -> bool:
        """Whether the bot has a slot at this instant."""
        if number >= self._market.instants:
            return False
        if self._regular:
            return number % self._every == 0
        place = int(self._slots.searchsorted(number))
        return place < len(self._slots) and int(self._slots[place]) == number

    def following(self, number: int, sides: Mapping[str, int | None], until: int) -> int:
        """The first slot after `number`, at most `until`, at which the decider may act.

        `sides` tells by symbol what is held: 0 nothing, 1 a long, 2 a short; None: an entry is on its way.
        """
        if not self._masks or None in sides.values():
            return min(self._first(self._slots, number), until)
        for symbol, side in sides.items():
            if symbol not in self._masks:
                return min(self._first(self._slots, number), until)
            until = min(until, self._first(self._masks[symbol][side or 0], number))
        return until

    def _first(self, moments: NDArray[np.int64], number: int) -> int:
        place = int(moments.searchsorted(number, side="right"))
        return int(moments[place]) if place < len(moments) else self._market.instants

    def asks(self, number: int, sides: Mapping[str, int | None]) -> bool:
        """Whether the decider must be asked at the slot of this instant."""
        return self.following(number - 1, sides, number + 1) == number
