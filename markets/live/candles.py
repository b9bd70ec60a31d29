"""Brings in closed candles of a live exchange: only what is not stored, each series once for all bots, no hole left.

A candle that a stream tells is stored where it follows the last one; whatever lies between is asked for by REST. A
hole that the exchange cannot fill is asked for again after a while, not each minute.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import numpy as np
from django.db.models import Max

from markets import history, refusals
from markets.domain import windows
from markets.domain.candles import TIMEFRAMES, Candles, bad_rows, instant, milliseconds
from markets.exchanges import market_data
from markets.models import Candle, Instrument, Source

from .ages import Ages

Key = tuple[int, str]
PATIENCE_MS = 700  # after its close, until an exchange gives a candle by REST
STREAM_PATIENCE_MS = 2500  # so long the stream may bring it first
AGAIN_SECONDS = 900.0  # until a hole that could not be filled is asked for again
LONGEST_GAP = 10_000  # candles: after a longer absence a series begins anew where the indicators need it
RETRY_SECONDS = 2.0  # until a candle that was not there yet is asked for again


@dataclass(slots=True)
class _Series:
    """`last` is the open time of the newest stored candle (0: none); `holes` when they were last looked for."""

    last: int
    holes_at: float = 0.0
    asked_at: float = 0.0


class LiveCandles:
    """The candle series of one exchange that somebody wants."""

    def __init__(self, exchange: str, ages: Ages) -> None:
        self.exchange, self.ages = exchange, ages
        self._series: dict[Key, _Series] = {}

    def due(
        self, series: Iterable[tuple[Instrument, str]], now: datetime, *, streamed: bool = False
    ) -> list[tuple[Instrument, str]]:
        """The series of which a closed candle is missing at `now`, and those whose holes are to be looked for."""
        wall = monotonic()
        patience = STREAM_PATIENCE_MS if streamed else PATIENCE_MS
        wanted = list(series)
        self._learn(wanted)
        found = []
        for instrument, timeframe in wanted:
            known, step = self._series[instrument.pk, timeframe], TIMEFRAMES[timeframe]
            newest = (milliseconds(now) - patience) // step * step - step
            late = known.last < newest and wall - known.asked_at >= RETRY_SECONDS
            if late or wall - known.holes_at >= AGAIN_SECONDS or not known.holes_at:
                found.append((instrument, timeframe))
        return found

    def fill(self, instrument: Instrument, timeframe: str, now: datetime) -> int:
        """Ask for everything that is missing of a series up to `now`; gives the number of new candles.

        Raises market_data.Away: what had come until then is stored, and the rest is asked for the next time.
        """
        self._learn([(instrument, timeframe)])
        known, step = self._series[instrument.pk, timeframe], TIMEFRAMES[timeframe]
        known.asked_at = monotonic()
        anchor, last = windows.bounds(timeframe, now)
        new = 0
        if monotonic() - known.holes_at >= AGAIN_SECONDS or not known.holes_at:
            for first, end in self._holes(instrument, timeframe, anchor, min(known.last, last)):
                new += self._fetch(instrument, timeframe, first, end, now)
            known.holes_at = monotonic()
        first = known.last + step if last - known.last <= LONGEST_GAP * step else anchor
        if first <= last:
            new += self._fetch(instrument, timeframe, first, last, now)
        if known.last >= last:
            known.asked_at = 0.0
        return new

    def take(self, instrument: Instrument, timeframe: str, candles: Candles, now: datetime, source: str) -> bool:
        """Store closed candles that a stream told. False where something is missing before them: then `fill`."""
        self._learn([(instrument, timeframe)])
        known, step = self._series[instrument.pk, timeframe], TIMEFRAMES[timeframe]
        fresh = candles[candles.time > known.last]
        if not len(fresh):
            return True
        if not known.last or int(fresh.time[0]) != known.last + step:
            return False
        self._store(instrument, timeframe, fresh, now, source)
        return True

    def _learn(self, series: Iterable[tuple[Instrument, str]]) -> None:
        """What is stored of series that this process has not met: one statement."""
        new = [(one.pk, timeframe) for one, timeframe in series if (one.pk, timeframe) not in self._series]
        for pk, timeframe in new:
            newest = Candle.objects.of(pk, timeframe).aggregate(last=Max("open_time"))["last"]
            self._series[pk, timeframe] = _Series(newest or 0)

    def _holes(self, instrument: Instrument, timeframe: str, first: int, last: int) -> list[tuple[int, int]]:
        """Ranges of open times between `first` and `last` in which nothing is stored."""
        if last < first:
            return []
        step = TIMEFRAMES[timeframe]
        stored = Candle.objects.of(instrument, timeframe).between(first, last).order_by("open_time")
        times = np.array([first - step, *stored.values_list("open_time", flat=True), last + step], dtype=np.int64)
        breaks = np.flatnonzero(np.diff(times) > step)
        return [(int(times[i]) + step, int(times[i + 1]) - step) for i in breaks]

    def _fetch(self, instrument: Instrument, timeframe: str, first: int, last: int, now: datetime) -> int:
        """Page after page from `first` to `last`, until the exchange has no more."""
        new, step = 0, TIMEFRAMES[timeframe]
        while first <= last:
            page = market_data.candles(self.exchange, instrument.symbol, timeframe, first, last)
            if not len(page):
                break
            new += self._store(instrument, timeframe, page, now, Source.POLLING)
            if int(page.time[-1]) < first:
                break
            first = int(page.time[-1]) + step
        return new

    def _store(self, instrument: Instrument, timeframe: str, candles: Candles, now: datetime, source: str) -> int:
        sound = self._sound(instrument, timeframe, candles, now)
        if not len(sound):
            return 0
        stored = history.store(instrument=instrument, timeframe=timeframe, candles=sound)
        if stored.differing:
            refusals.count(
                exchange=self.exchange, symbol=instrument.symbol, part=f"candles {timeframe}", reason="changed",
                times=stored.differing, example="a stored candle was told anew with other values; the first stays",
            )  # fmt: skip
        known = self._series[instrument.pk, timeframe]
        known.last = max(known.last, int(sound.time[-1]))
        ends = instant(known.last) + timedelta(milliseconds=TIMEFRAMES[timeframe])
        self.ages.note(instrument.pk, f"candles {timeframe}", ends, now, source)
        return stored.stored

    def _sound(self, instrument: Instrument, timeframe: str, candles: Candles, now: datetime) -> Candles:
        """The closed and sound ones; the others are counted, a candle that is still open excepted."""
        step, part = TIMEFRAMES[timeframe], f"candles {timeframe}"
        closed = candles[candles.time + step <= milliseconds(now)]
        opens = candles.time[candles.time + step > milliseconds(now)]
        if len(opens) and int(opens[-1]) > milliseconds(now):
            refusals.count(
                exchange=self.exchange, symbol=instrument.symbol, part=part, reason="future",
                times=int((opens > milliseconds(now)).sum()), example=f"a candle of {instant(int(opens[-1]))}",
            )  # fmt: skip
        bad = bad_rows(closed, step)
        for row in bad:
            refusals.count(
                exchange=self.exchange, symbol=instrument.symbol, part=part, reason="bad_candle", example=row.problem
            )
        good = np.ones(len(closed), bool)
        good[[row.row for row in bad]] = False
        return closed[good]
