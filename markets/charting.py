"""Indicators for pages: a page asks by a row, a worker computes them on the windows that bots read, and answers there.

So a page shows the very figures that a bot decides by, each is computed once per closed candle however many look, and
a web process computes none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from . import broadcast, history, watching
from .domain.candles import TIMEFRAMES, Candles, Floats, milliseconds
from .domain.indicators import KNOWN, too_short
from .domain.snapshot import Series
from .feeds import clock
from .models import ChartValues, Feed, Instrument

# A page that is looked at asks again before it counts as left.
AGAIN, LEFT, FORGOTTEN = timedelta(seconds=10), timedelta(seconds=40), timedelta(hours=1)
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Running:
    """The candle of a timeframe that has not closed: what is known of it, up to the newest quote."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


def ask(*, feed: Feed, instrument: Instrument, timeframe: str, names: Iterable[str], wall: datetime) -> ChartValues:
    """The row that holds these indicators, now or soon. Names that are none are passed over."""
    wanted = [name for name in names if name in KNOWN]
    row, made = ChartValues.objects.get_or_create(
        feed=feed, instrument=instrument, timeframe=timeframe, defaults={"asked_at": wall, "names": wanted}
    )
    more = [name for name in wanted if name not in row.names]
    if not made and (more or row.asked_at < wall - AGAIN):
        row.names, row.asked_at, made = [*row.names, *more], wall, True
        row.save(update_fields=["names", "asked_at"])
    if made and not feed.lock_step:
        # A live feed fetches what somebody wants, and nothing else.
        watching.watch(wanted=[(instrument.pk, ""), (instrument.pk, timeframe)], now=wall)
    return row


def found(*, feed: Feed, instrument: Instrument, timeframe: str) -> ChartValues:
    """The row that was asked for; an empty one where none was."""
    row = ChartValues.objects.filter(feed=feed, instrument=instrument, timeframe=timeframe).first()
    return row or ChartValues(feed=feed, instrument=instrument, timeframe=timeframe)


def fill_asked(wall: datetime) -> int:
    """Bring the rows that pages look at up to their newest closed candle; how many had to be."""
    ChartValues.objects.filter(asked_at__lt=wall - FORGOTTEN).delete()
    rows = ChartValues.objects.filter(asked_at__gte=wall - LEFT).select_related("feed", "instrument")
    return sum(_fill(row) for row in list(rows.order_by("id")))


def _fill(row: ChartValues) -> bool:
    now = clock.now(row.feed)
    series = history.series([row.instrument], [row.timeframe], now)[row.instrument_id, row.timeframe]
    ends = (int(series.candles.time[0]), int(series.candles.time[-1])) if len(series.candles) else (None, None)
    told = {*row.values, *row.refused}
    if ends == (row.first, row.last) and told == set(row.names):
        return False
    values, refused = _computed(series, row.names)
    found = {"first": ends[0], "last": ends[1], "values": values, "refused": refused}
    ChartValues.objects.filter(pk=row.pk).update(**found)
    broadcast.announce(f"market-{row.instrument_id}", kind="chart", instrument=row.instrument_id)
    return True


def _computed(series: Series, names: Iterable[str]) -> tuple[dict[str, list[float | None]], dict[str, str]]:
    values, refused = {}, {}
    for name in names:
        if reason := too_short(name, series.candles):
            refused[name] = reason
        else:
            values[name] = _plain(series.indicator(name))
    return values, refused


def _plain(values: Floats) -> list[float | None]:
    """For JSON: rounded far below what anybody can see, None for NaN."""
    return [None if value != value else float(f"{value:.{_DIGITS}g}") for value in values.tolist()]


def running(
    *, instrument: Instrument, timeframe: str, now: datetime, price: float | None, finer: Iterable[str], closed: Candles
) -> Running | None:
    """The candle that runs at market time `now`, out of the finer candles stored of it and the newest price.

    Without finer ones it opens where the last of the `closed` ended. None where neither is known.
    """
    at, step = milliseconds(now), TIMEFRAMES[timeframe]
    begun = at - at % step
    part = _finest_since(instrument, timeframe, begun, at, finer)
    if price is None and not len(part):
        return None
    last = price if price is not None else float(part.close[-1])
    if not len(part):
        follows = len(closed) and int(closed.time[-1]) == begun - step
        opened = float(closed.close[-1]) if follows else last
        return Running(begun, opened, max(opened, last), min(opened, last), last, 0.0)
    high, low = max(float(part.high.max()), last), min(float(part.low.min()), last)
    return Running(begun, float(part.open[0]), high, low, last, float(np.sum(part.volume)))


def _finest_since(instrument: Instrument, timeframe: str, begun: int, at: int, finer: Iterable[str]) -> Candles:
    for name in finer:
        if TIMEFRAMES[name] < TIMEFRAMES[timeframe]:
            part = history.load(instrument, name, begun, at - TIMEFRAMES[name])
            if len(part) and int(part.time[0]) == begun:
                return part
    return Candles.of(())
