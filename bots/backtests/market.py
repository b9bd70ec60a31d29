"""The market of a backtest: stored candles as arrays, and what each instant of a replay feed would have told.

Nothing here looks beyond the instant it is asked for, except `Course.next_touch`, which finds where the engine has to
look next and tells nobody else. Instants are numbered from 0 at `start`; candle i runs from instant i to i + 1.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import cast

import numpy as np

from bots.domain.exit_plan import Condition
from markets.domain.candles import TIMEFRAMES, Candles, Floats, instant
from markets.domain.covariance import DAYS, TIMEFRAME, Covariance, covariance
from markets.domain.instruments import InstrumentRules
from markets.domain.rounding import ZERO
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Bar

from .windowed import Windowed

# The first look ahead is short, because most trades are: each further one is four times as long.
_FIRST_LOOK, _LONGEST_LOOK = 64, 65_536
# So few candles are looked at sooner one by one than as arrays.
_FEW = 32


NO_CANDLES = Candles.of([])
_HOUR = TIMEFRAMES[TIMEFRAME]


@dataclass(frozen=True, slots=True)
class Listed:
    """What is stored of one instrument, candles before the start included.

    `series` holds the candles of each timeframe of the bot, `funding` (UTC ms, rate) pairs, oldest first, and `hourly`
    the candles that covariances are computed from.
    """

    rules: InstrumentRules
    candles: Candles
    series: Mapping[str, Candles]
    funding: Sequence[tuple[int, Decimal]] = ()
    hourly: Candles = NO_CANDLES


def _plain(column: Floats) -> Sequence[float]:
    return cast("Sequence[float]", memoryview(column.data))


class Course:
    """One instrument on its way through the market."""

    def __init__(self, listed: Listed, start: int, end: int, step: int) -> None:
        self.rules, self.symbol = listed.rules, listed.rules.symbol
        self.candles = listed.candles
        self.windows = {name: Windowed(name, candles) for name, candles in listed.series.items()}
        self._start, self._end, self._step = start, end, step
        self._time = listed.candles.time
        # One number of an array is read as a float of Python, in a third of the time.
        c = listed.candles
        self._opens, self._highs, self._lows = _plain(c.open), _plain(c.high), _plain(c.low)
        self._closes, self._volumes = _plain(c.close), _plain(c.volume)
        whole = len(self._time) and self._time[-1] - self._time[0] == (len(self._time) - 1) * step
        # In a series without holes a row is found by counting.
        self._offset = (start - int(self._time[0])) // step if whole else None
        # The instants at which such a series has a candle, up to the end.
        offset = self._offset or 0
        self._least, self._beyond = -offset, min(-((start - end) // step), len(self._time) - offset)
        self.tick = float(listed.rules.tick)
        self.funding = self._due(listed.funding)
        self._settlements = sorted(self.funding)
        # The settlement that comes next, and since when: asked for at every quote.
        self._settling: tuple[datetime, datetime] | None = None
        self._rates = ([at for at, _ in listed.funding], [rate for _, rate in listed.funding])

    def row(self, number: int) -> int | None:
        """The row of the candle that opens at instant `number`; None where there is none."""
        if self._offset is not None:
            return number + self._offset if self._least <= number < self._beyond else None
        time = self._start + number * self._step
        if time >= self._end:
            return None
        row = int(self._time.searchsorted(time))
        return row if row < len(self._time) and self._time[row] == time else None

    def bar(self, number: int) -> Bar | None:
        """The candle from instant `number` to the next, as money."""
        row = self.row(number)
        return None if row is None else self._bar(row)

    def _bar(self, row: int) -> Bar:
        prices = self._opens[row], self._highs[row], self._lows[row], self._closes[row]
        return Bar.of(prices, self._volumes[row], self.rules)

    def quote(self, number: int) -> QuoteView | None:
        """The newest price at an instant, as a replay feed would quote it; None before the first one."""
        time = self._start + number * self._step
        row = self.row(number)
        if row is not None:
            return self._quoted(self.rules.price(self._opens[row]), time, self._liquidity(row))
        last = int(self._time.searchsorted(min(time, self._end), side="left")) - 1
        if last < 0:
            return None
        opened = int(self._time[last])
        if opened < self._start or (time >= self._end and opened == self._end - self._step):
            # Before the first instant, and after the last candle, a close is the newest price there is.
            price, closed = self.rules.price(float(self.candles.close[last])), opened + self._step
            fresh = closed == (self._start if opened < self._start else time)
            return self._quoted(price, closed, self._traded(last) if fresh else ZERO)
        return self._quoted(self.rules.price(float(self.candles.open[last])), opened, self._liquidity(last))

    def opening(self, number: int) -> Decimal | None:
        """The price at which the candle of this instant opens; None where there is none."""
        row = self.row(number)
        return None if row is None else self.rules.price(self._opens[row])

    def priced(self, number: int) -> bool:
        """Whether there is a new price at this instant: a candle opens, or the last one has closed."""
        if self.row(number) is not None:
            return True
        return self._start + number * self._step == self._end and self.row(number - 1) is not None

    def _liquidity(self, row: int) -> Decimal:
        """What the candle before it traded. A quote after a hole keeps the figure of the quote before."""
        if self._offset is not None:
            return self._traded(row - 1) if row else ZERO
        while row and self._time[row] - self._time[row - 1] != self._step and self._time[row] > self._start:
            row -= 1
        before = row and self._time[row] - self._time[row - 1] == self._step
        return self._traded(row - 1) if before else ZERO

    def _traded(self, row: int) -> Decimal:
        return Bar.liquidity_of(self._closes[row], self._volumes[row], self.rules)

    def _quoted(self, price: Decimal, at: int, liquidity: Decimal) -> QuoteView:
        moment = instant(at)
        if self._settling is None or not self._settling[0] <= moment < self._settling[1]:
            following = self.rules.next_settlement(moment)
            self._settling = None if following is None else (moment, following)
        return QuoteView.around(
            self.rules, price, moment, liquidity, self._rate(at), self._settling[1] if self._settling else None
        )

    def _rate(self, at: int) -> Decimal | None:
        times, rates = self._rates
        place = bisect_right(times, at)
        return rates[place - 1] if place else None

    def _due(self, funding: Sequence[tuple[int, Decimal]]) -> dict[int, Decimal]:
        """By instant: the rates settled since the one before, added up."""
        due: dict[int, Decimal] = {}
        for at, rate in funding:
            number = -((self._start - at) // self._step)
            if self._start < at <= self._end:
                due[number] = due.get(number, ZERO) + rate
        return due

    def next_touch(self, number: int, low: float, high: float, until: int) -> int:
        """The first instant after `number`, at most `until`, at which a price at `low` or below, or at `high` or above,
        has been met: at an open, or in the candle that ends there.
        """
        first, last = self._rows(number, until)
        few = min(first + _FEW, last)
        if first < few and min(self._lows[first:few]) > low and max(self._highs[first:few]) < high:
            first = few
        lows, highs = self.candles.low, self.candles.high
        length = _FIRST_LOOK
        while first < last:
            stop = min(first + length, last)
            met = (lows[first:stop] <= low) | (highs[first:stop] >= high)
            place = int(met.argmax())
            if met[place]:
                row = first + place
                at = self._number(row)
                opened = self._opens[row]
                return at if at > number and (opened <= low or opened >= high) else min(at + 1, until)
            first, length = stop, min(length * 4, _LONGEST_LOOK)
        return until

    def touched(self, number: int, low: float, high: float) -> bool:
        """Whether the candle from instant `number` on has met one of these prices."""
        row = self.row(number)
        return row is not None and (self._lows[row] <= low or self._highs[row] >= high)

    def next_open_beyond(self, number: int, level: float, above: bool, until: int) -> int:
        """The first instant after `number` whose open lies beyond `level`: where a trailing stop has to follow."""
        first, last = self._rows(number + 1, until)
        opens, length = self.candles.open, _FIRST_LOOK
        while first < last:
            stop = min(first + length, last)
            met = opens[first:stop] > level if above else opens[first:stop] < level
            place = int(met.argmax())
            if met[place]:
                return self._number(first + place)
            first, length = stop, min(length * 4, _LONGEST_LOOK)
        return until

    def opens_at(self, number: int, low: float, high: float) -> bool:
        """Whether there is a new price at this instant that has met one of these."""
        row = self.row(number)
        if row is None:
            return self.priced(number)
        opened = self._opens[row]
        return opened <= low or opened >= high

    def next_funding(self, number: int, until: int) -> int:
        """The first instant after `number`, at most `until`, at which funding is settled."""
        place = bisect_right(self._settlements, number)
        return min(self._settlements[place], until) if place < len(self._settlements) else until

    def next_holding(self, number: int, condition: Condition, until: int) -> int:
        """The first instant after `number`, at most `until`, at which `condition` may hold."""
        windows = self.windows[condition.timeframe]
        length, times = TIMEFRAMES[condition.timeframe], windows.candles.time
        now = self._start + number * self._step
        first = int(times.searchsorted(now - length, side="right"))
        last = int(times.searchsorted(self._start + until * self._step - length, side="right"))
        if first >= len(times) or not first or times[first] - times[first - 1] != length:
            return number + 1  # Where a candle is missing the window itself moves, so each instant is looked at.
        met = windows.might_hold(condition)[first:last] | windows.after_hole[first:last]
        place = int(met.argmax()) if len(met) else 0
        if not len(met) or not met[place]:
            return until
        row = first + place
        due = int(times[row - 1]) + 2 * length if windows.after_hole[row] else int(times[row]) + length
        return min(max(-((self._start - due) // self._step), number + 1), until)

    def _rows(self, number: int, until: int) -> tuple[int, int]:
        """The rows of the candles that open from instant `number` to before `until`."""
        if self._offset is not None:
            most = len(self._time)
            return min(max(number + self._offset, 0), most), min(max(until + self._offset, 0), most)
        times = self._start + number * self._step, self._start + until * self._step
        return int(self._time.searchsorted(times[0])), int(self._time.searchsorted(times[1]))

    def _number(self, row: int) -> int:
        return (int(self._time[row]) - self._start) // self._step

    def marks(self, count: int) -> np.ndarray:
        """The float mark at each of `count` instants: for equity curves, not for money."""
        times = self._start + self._step * np.arange(count)
        place = np.minimum(self._time.searchsorted(times, side="right"), len(self._time)) - 1
        found = self.candles.open[np.maximum(place, 0)].copy()
        closed = (place >= 0) & ((times >= self._end) | (self._time[np.maximum(place, 0)] < self._start))
        found[closed] = self.candles.close[place[closed]]
        found[place < 0] = np.nan
        return found


@dataclass(slots=True)
class Market:
    """All instruments of a backtest over one period. Times are UTC ms; `start` and `end` lie on the timeframe's grid.

    The order of `listed` is the order in which instruments are dealt with inside an instant.
    """

    timeframe: str
    start: int
    end: int
    listed: Sequence[Listed]
    courses: dict[str, Course] = field(init=False)
    step: int = field(init=False)
    instants: int = field(init=False)
    _moving: tuple[int, Covariance | None] = field(init=False, default=(-1, None), repr=False)

    def __post_init__(self) -> None:
        self.step = TIMEFRAMES[self.timeframe]
        # The number of the last instant, which is the number of candle lengths in the period.
        self.instants = (self.end - self.start) // self.step
        self.courses = {one.rules.symbol: Course(one, self.start, self.end, self.step) for one in self.listed}

    @property
    def candles(self) -> int:
        """How many candles are traded through, over all instruments."""
        return sum(
            int(one.candles.time.searchsorted(self.end) - one.candles.time.searchsorted(self.start))
            for one in self.listed
        )

    def covariance(self, number: int) -> Covariance | None:
        """Of the last 30 days of hourly candles closed at an instant, in which all instruments of a bot are."""
        last = (self.start + number * self.step) // _HOUR * _HOUR - _HOUR
        if self._moving[0] != last:
            first, parts = last - DAYS * TIMEFRAMES["1d"], {one.rules.symbol: one.hourly for one in self.listed}
            self._moving = last, covariance({name: _between(part, first, last) for name, part in parts.items()})
        return self._moving[1]

    def at(self, number: int) -> datetime:
        return instant(self.start + number * self.step)

    def time(self, number: int) -> int:
        """The same in UTC ms."""
        return self.start + number * self.step


def _between(candles: Candles, first: int, last: int) -> Candles:
    times = candles.time
    return candles[int(times.searchsorted(first)) : int(times.searchsorted(last, side="right"))]
