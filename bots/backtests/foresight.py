"""The slots of a backtest, and those of them at which its decider has to be asked.

What a decider can tell beforehand is in `bots.domain.foresight`. Where a candle is missing nothing is foreseen.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import numpy as np

from bots.domain.foresight import Foreseeing, Mask
from bots.domain.policy import Policy
from markets.domain import indicators
from markets.domain.candles import TIMEFRAMES, Candles, Floats, Times

from .market import Course, Market
from .windowed import Windowed


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


class Slots:
    """The instants at which a bot has a slot. A slot between two instants is taken at the later one; of several before
    one instant it is the latest.
    """

    def __init__(self, market: Market, interval: int) -> None:
        self._end, self._every = market.instants, max(interval // market.step, 1)
        regular = interval % market.step == 0 or interval < market.step
        # Regular ones are counted and not kept.
        times = np.arange(0, 0 if regular else market.instants * market.step, interval)
        self._kept = None if regular else -(-times // market.step)
        self._count = -(-self._end // self._every) if self._kept is None else len(self._kept)

    def due(self, number: int) -> bool:
        if number >= self._end:
            return False
        return number % self._every == 0 if self._kept is None else self.after(number - 1) == number

    def after(self, number: int) -> int:
        """The first slot after an instant; the end of the market where there is none."""
        if self._kept is None:
            return min((number // self._every + 1) * self._every, self._end)
        place = int(self._kept.searchsorted(number, side="right"))
        return int(self._kept[place]) if place < self._count else self._end

    def between(self, first: int, last: int) -> Times:
        """From the instant `first` to before `last`."""
        if self._kept is None:
            return np.arange(-(-first // self._every) * self._every, min(last, self._end), self._every)
        return self._kept[self._kept.searchsorted(first) : self._kept.searchsorted(last)]

    def within(self, first: Times, last: Times) -> Times:
        """From each instant of `first` to before its one of `last`: stretches one after the other."""
        begins, ends = self._before(first), self._before(last)
        counts = np.maximum(ends - begins, 0)
        return self._at(np.repeat(begins - np.cumsum(counts) + counts, counts) + np.arange(counts.sum()))

    def _before(self, numbers: Times) -> Times:
        """How many slots there are before each instant."""
        if self._kept is None:
            return np.clip(-(-numbers // self._every), 0, self._count)
        return self._kept.searchsorted(numbers)

    def _at(self, places: Times) -> Times:
        return places * self._every if self._kept is None else self._kept[places]


class Moments:
    """The slots at which the decider has to be asked, by what it holds in each instrument."""

    def __init__(
        self, market: Market, interval: int, decider: object, timeframes: tuple[str, ...], policy: Policy
    ) -> None:
        self._market, self._slots = market, Slots(market, interval)
        # Whether the bot has a slot at an instant; its slots from one instant to before another.
        self.due, self.between = self._slots.due, self._slots.between
        self._masks: dict[str, tuple[Sequence[int], ...]] = {}
        if isinstance(decider, Foreseeing):
            past = {symbol: CoursePast(course) for symbol, course in market.courses.items()}
            for symbol, seen in decider.foresee(past, timeframes, policy).items():
                windows = market.courses[symbol].windows[seen.timeframe]
                late = self._late(windows)
                self._masks[symbol] = tuple(
                    self._asked(windows, mask, late) for mask in (seen.flat, seen.long, seen.short)
                )
        self._foreseen = bool(self._masks) and self._masks.keys() == market.courses.keys()

    def _late(self, windows: Windowed) -> Times:
        """The slots at which the candle that should be the newest is missing: there nothing is foreseen."""
        market, length, holes = self._market, TIMEFRAMES[windows.timeframe], np.flatnonzero(windows.after_hole)
        closed = windows.candles.time + length
        since = np.concatenate([[market.start], closed[holes - 1] + length, closed[-1:] + length])
        until = np.concatenate([closed[:1], closed[holes], [market.end]])
        return self._between_times(since, until)

    def _asked(self, windows: Windowed, mask: Mask, late: Times) -> Sequence[int]:
        """Each candle that may be acted on is so from its close until the next one is due."""
        length = TIMEFRAMES[windows.timeframe]
        closed = windows.candles.time[mask] + length
        wanted = self._between_times(closed, closed + length)
        # A list is searched several times as fast as an array.
        found: list[int] = (np.sort(np.concatenate([late, wanted])) if len(late) else wanted).tolist()
        return found

    def _between_times(self, since: Times, until: Times) -> Times:
        """The slots in stretches of time (UTC ms)."""
        start, step = self._market.start, self._market.step
        return self._slots.within(-((start - since) // step), -((start - until) // step))

    def following(self, number: int, sides: Mapping[str, int | None], until: int) -> int:
        """The first slot after `number`, at most `until`, at which the decider may act.

        `sides` tells by symbol what is held: 0 nothing, 1 a long, 2 a short; None: an entry is on its way.
        """
        if not self._foreseen or None in sides.values():
            return min(self._slots.after(number), until)
        for symbol, side in sides.items():
            moments = self._masks[symbol][side or 0]
            place = bisect_right(moments, number)
            if place < len(moments) and moments[place] < until:
                until = moments[place]
        return until

    def asks(self, number: int, sides: Mapping[str, int | None]) -> bool:
        """Whether the decider must be asked at the slot of this instant."""
        return not self._foreseen or self.following(number - 1, sides, number + 1) == number
