"""Fills the store from an exchange: candles and funding rates of a period, only what is missing, several at once.

Whatever was interrupted resumes where it was, because a range that is stored is not asked for again. Requests pass the
gate that all processes share: where it holds back, a download waits. What comes in is judged like everything else.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import TypeVar

import numpy as np
from django.db import connection

from . import history, quality, refusals
from .candle_files import Funding
from .domain.candles import TIMEFRAMES, Candles, bad_rows, instant, milliseconds
from .exchanges import market_data
from .exchanges.clients import UnknownExchange
from .history import Stored
from .imports import MANY, store_funding
from .live import instruments as rules
from .models import Candle, FundingRate, Instrument, SeriesKind
from .models.instruments import InstrumentKind

AT_ONCE = 4
PATIENCE = 300.0  # seconds without an answer after which a download gives up
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
Say = Callable[[str], None]
Answer = TypeVar("Answer")


class NotPossible(ValueError):
    """What was asked for cannot be downloaded; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to download: open times from `first` to `last` (UTC ms, both included) that have closed by then."""

    exchange: str
    symbols: tuple[str, ...]
    timeframes: tuple[str, ...]
    first: int
    last: int
    funding: bool = True


@dataclass(frozen=True, slots=True)
class Downloaded:
    """Rows that came: stored, there already, refused. `missing` candles the exchange does not have either."""

    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    missing: int = 0
    trouble: str = ""

    def __add__(self, other: "Downloaded") -> "Downloaded":
        sums = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "trouble"}
        return Downloaded(**sums, trouble=self.trouble or other.trouble)


@dataclass(frozen=True, slots=True)
class Line:
    """How a download talks and waits: to whom, for how long, and by which clock."""

    say: Say = lambda line: None
    patience: float = PATIENCE
    pause: Callable[[float], None] = sleep


def download(*, wanted: Wanted, now: datetime, line: Line, at_once: int = AT_ONCE) -> Downloaded:
    """Download everything that is missing of `wanted`; `at_once` series at a time.

    A series that an exchange stops answering for keeps what had come, and is said in `trouble`; another run resumes
    it. Raises NotPossible where the exchange or a symbol does not exist, and then nothing was asked for.
    """
    chosen = _listed(wanted, now, line)
    jobs = [partial(_candles, one, name, wanted, now, line) for one in chosen for name in wanted.timeframes]
    if wanted.funding:
        jobs += [partial(_funding, one, wanted, now, line) for one in chosen if one.kind == InstrumentKind.PERPETUAL]
    total = sum(_run(jobs, at_once), Downloaded())
    refusals.write(now)
    if total.stored >= MANY:
        Candle.objects.analyze()
    return total


def _run(jobs: Sequence[Callable[[], Downloaded]], at_once: int) -> Iterable[Downloaded]:
    if at_once <= 1:
        return [job() for job in jobs]

    def alone(job: Callable[[], Downloaded]) -> Downloaded:
        try:
            return job()
        finally:
            connection.close()  # of this thread

    with ThreadPoolExecutor(at_once, thread_name_prefix="download") as pool:
        return list(pool.map(alone, jobs))


def _listed(wanted: Wanted, now: datetime, line: Line) -> list[Instrument]:
    rows = Instrument.objects.filter(exchange=wanted.exchange)
    new = set(wanted.symbols) - set(rows.values_list("symbol", flat=True))
    if new:
        try:
            _patiently(lambda: rules.refresh(wanted.exchange, now, symbols=sorted(new)), line, wanted.exchange)
        except UnknownExchange as problem:
            raise NotPossible(str(problem)) from problem
        except market_data.Away as away:
            raise NotPossible(str(away)) from away
    found = {row.symbol: row for row in rows.filter(symbol__in=wanted.symbols)}
    if unknown := [symbol for symbol in wanted.symbols if symbol not in found]:
        raise NotPossible(f"{wanted.exchange} lists no linear perpetual {unknown[0]} (a symbol like BTC/USDT:USDT).")
    return [found[symbol] for symbol in wanted.symbols]


# --- Candles ---------------------------------------------------------------------------------------------


def _candles(instrument: Instrument, timeframe: str, wanted: Wanted, now: datetime, line: Line) -> Downloaded:
    step = TIMEFRAMES[timeframe]
    first = -(-wanted.first // step) * step
    last = min(wanted.last, milliseconds(now) - step) // step * step
    name = f"{instrument.exchange} {instrument.symbol} {timeframe}"
    holes = missing(instrument, timeframe, first, last)
    total, count = Downloaded(), sum((end - begin) // step + 1 for begin, end in holes)
    line.say(f"{name}: {count:,} candles are missing")
    try:
        for begin, end in holes:
            for page in _pages(instrument, timeframe, begin, end, line, name):
                total += _keep(instrument, timeframe, page)
    except market_data.Away as away:
        total += Downloaded(trouble=f"{name}: {away} What had come is stored; run it again to go on.")
    still = sum((end - begin) // step + 1 for begin, end in missing(instrument, timeframe, first, last))
    if total.stored:
        quality.check(instrument=instrument, kind=SeriesKind.CANDLES, timeframe=timeframe, now=now)
    line.say(f"{name}: {total.stored:,} stored, {total.refused:,} refused, {still:,} still missing")
    return total + Downloaded(missing=still)


def missing(instrument: Instrument, timeframe: str, first: int, last: int) -> list[tuple[int, int]]:
    """Ranges of open times (UTC ms, both included) between `first` and `last` in which nothing is stored."""
    if last < first:
        return []
    step = TIMEFRAMES[timeframe]
    stored = Candle.objects.stretch(instrument.pk, timeframe, first, last).time
    times = np.concatenate([[first - step], stored, [last + step]])
    breaks = np.flatnonzero(np.diff(times) > step)
    return [(int(times[i]) + step, int(times[i + 1]) - step) for i in breaks]


def _pages(instrument: Instrument, timeframe: str, first: int, last: int, line: Line, name: str) -> Iterator[Candles]:
    """Page after page of one hole. One without a candle is passed over: the exchange may have some later."""
    step, begun = TIMEFRAMES[timeframe], first
    while first <= last:
        until = min(last, first + (market_data.PAGE - 1) * step)
        ask = partial(market_data.candles, instrument.exchange, instrument.symbol, timeframe, first, until)
        yield _patiently(ask, line, name)
        first = until + step
        share = 100 * (first - begun) / (last + step - begun)
        line.say(f"{name}: up to {instant(until):%Y-%m-%d %H:%M} ({share:.0f} %)")


def _keep(instrument: Instrument, timeframe: str, page: Candles) -> Downloaded:
    bad = bad_rows(page, TIMEFRAMES[timeframe])
    good = np.ones(len(page), bool)
    good[[row.row for row in bad]] = False
    became = history.store(instrument=instrument, timeframe=timeframe, candles=page[good])
    part = quality.part(SeriesKind.CANDLES, timeframe)
    told = [("bad_candle", row.problem, 1) for row in bad]
    told += [("changed", "it differs from the row that is stored", became.differing)] if became.differing else []
    for reason, example, times in told:
        refusals.count(
            exchange=instrument.exchange, symbol=instrument.symbol, part=part, reason=reason, example=example,
            times=times,
        )  # fmt: skip
    return Downloaded(became.stored, became.unchanged, became.differing + len(bad))


# --- Funding ---------------------------------------------------------------------------------------------


def _funding(instrument: Instrument, wanted: Wanted, now: datetime, line: Line) -> Downloaded:
    """Settlements of the period, from the first stretch on of which none is stored."""
    name, total = f"{instrument.exchange} {instrument.symbol} funding", Downloaded()
    last = min(instant(wanted.last), now)
    since = _funded_until(instrument, instant(wanted.first) - timedelta(milliseconds=1), last)
    try:
        while since < last:
            ask = partial(market_data.settlements, instrument.exchange, instrument.symbol, since)
            page = _patiently(ask, line, name)
            kept = [one for one in page if one.at <= last]
            if not kept:
                break
            hours = np.array([milliseconds(one.at) for one in kept], np.int64)
            became = store_funding(
                instrument=instrument, funding=Funding(hours, np.array([float(k.rate) for k in kept]))
            )
            total += _counted(became)
            since = page[-1].at
            line.say(f"{name}: {total.stored:,} stored, up to {since:%Y-%m-%d %H:%M}")
    except market_data.Away as away:
        total += Downloaded(trouble=f"{name}: {away} What had come is stored; run it again to go on.")
    if total.stored:
        quality.check(instrument=instrument, kind=SeriesKind.FUNDING, timeframe="", now=now)
    return total


def _funded_until(instrument: Instrument, since: datetime, last: datetime) -> datetime:
    """The settlement before the first that seems to be missing; what is stored until there is not asked for."""
    stored = FundingRate.objects.filter(instrument=instrument, at__gt=since, at__lte=last).order_by("at")
    pause = timedelta(hours=max(instrument.funding_hours, 1), minutes=30)
    for at in stored.values_list("at", flat=True):
        if at - since > pause:
            break
        since = at
    return since


def _counted(became: Stored) -> Downloaded:
    return Downloaded(became.stored, became.unchanged, became.differing)


# --- Waiting ---------------------------------------------------------------------------------------------


def _patiently(ask: Callable[[], Answer], line: Line, name: str) -> Answer:
    """The answer, after as many tries as fit into the patience. Raises Away where none came."""
    begun, pause = monotonic(), FIRST_PAUSE
    while True:
        try:
            return ask()
        except market_data.Away as away:
            waited = monotonic() - begun
            if waited + pause > line.patience:
                raise
            line.say(f"{name}: {away} Trying again in {pause:.0f} s.")
            line.pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
