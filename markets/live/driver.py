"""Drives one live exchange: prices as they come, candles when they close, funding when it is settled, rules hourly.

Two threads under one lease. This one lets prices in and steps in by REST for what the stream does not bring; `chores`
does everything that may take its time. Nothing is asked of which nobody holds a `Watch`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic, sleep, thread_time

import structlog
from django.db import close_old_connections

from markets import refusals, watching
from markets.domain.intake import Tick
from markets.exchanges import market_data
from markets.models import ExchangeState, Feed, FeedKind, Instrument, Source

from .chores import Chores, in_thread
from .inbox import Inbox
from .leadership import Lease, leading
from .prices import LivePrices
from .streaming import Stream

WAIT = 0.1  # seconds without news until a round looks at the rest of its work
GATHER = 0.004  # seconds after the first news of a round: what was pushed together is taken together
REST = 4.0  # a round rests so many times as long as it worked, so that prices take a fifth of a core at most,
LEAST_REST, MOST_REST = 0.02, 0.1  # within these seconds;
SAVED = 0.1  # rest of a quiet time that counts: what was pushed together but came apart does not wait
LOOK_SECONDS = 1.0  # between two looks at who wants what
POLL_SECONDS = 2.0
MARKS_SECONDS, DAY_SECONDS = 15.0, 60.0  # between two questions for what no stream brings
LAGS = timedelta(seconds=6)  # a price older than this is asked for by REST
WRITE_SECONDS = 2.0
log = structlog.get_logger(__name__)
Question = Callable[[], list[Tick]]


def run(exchange: str, ended: threading.Event, *, websocket: bool = True) -> None:
    """Bring the prices of an exchange until `ended`; while another process does, stand by."""
    while not ended.is_set():
        try:
            with leading(exchange) as lease:
                if lease is not None:
                    lead(exchange, lease, ended, websocket=websocket)
        except Exception:  # The market goes on; whatever went wrong is begun anew.
            log.exception("live_market_failed", exchange=exchange)
        finally:
            close_old_connections()
        ended.wait(1.0)


def feed_of(exchange: str) -> Feed | None:
    """The running live feed of an exchange."""
    return Feed.objects.running().filter(kind=FeedKind.LIVE, exchange=exchange).order_by("-id").first()


def lead(exchange: str, lease: Lease, ended: threading.Event, *, websocket: bool = True) -> None:
    """Bring prices while the lease holds and the feed runs."""
    feed = feed_of(exchange)
    if feed is None:
        return
    driver = Driver(feed, websocket=websocket)
    driver.start()
    try:
        while not ended.is_set() and lease.renew() and driver.runs():
            driver.round(datetime.now(UTC))
    finally:
        driver.stop()


class Driver:
    """One feed's prices in this process."""

    def __init__(self, feed: Feed, *, websocket: bool = True) -> None:
        self.feed, self.exchange = feed, feed.exchange
        self.inbox, self.prices = Inbox(), LivePrices(feed)
        self.stream = Stream(self.exchange, self.inbox) if websocket else None
        self.chores = Chores(feed, self.inbox)
        self.instruments: dict[str, Instrument] = {}
        self._streamed_at: datetime | None = None
        self._polled_at: datetime | None = None
        self._told_at: dict[str, datetime] = {}
        self._rests_until = 0.0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="polling")
        self._asked: list[Future[list[Tick]]] = []
        self._due: dict[str, float] = {}

    def start(self) -> None:
        self.chores.start()
        if self.stream is not None:
            self.stream.start()

    def stop(self) -> None:
        if self.stream is not None:
            self.stream.stop()
        self.chores.stop()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.write(datetime.now(UTC))

    def runs(self) -> bool:
        """Whether the feed still is to be driven; asked of the database now and then."""
        if not self._time_for("runs", 3.0):
            return True
        return Feed.objects.running().filter(pk=self.feed.pk).exists()

    def round(self, now: datetime) -> None:
        """Let in what has come, ask for what lags, and write what was noted. Prices never wait for an answer."""
        if self._time_for("look", LOOK_SECONDS):
            self.look(now)
        if self.inbox.news.wait(WAIT):
            sleep(max(GATHER, self._rests_until - monotonic()))
            began = thread_time()
            self.take_streamed(datetime.now(UTC))
            rest = REST * (thread_time() - began)
            rested = max(self._rests_until, monotonic() - SAVED)
            self._rests_until = rested + min(MOST_REST, max(LEAST_REST, rest))
        if not self._asked and self._time_for("poll", POLL_SECONDS):
            self._asked = [self._pool.submit(in_thread(self._answer), ask) for ask in self.questions(datetime.now(UTC))]
        while self._asked and self._asked[0].done():
            self._take_polled(self._asked.pop(0).result())
        if self._time_for("write", WRITE_SECONDS):
            self.write(datetime.now(UTC))

    def look(self, now: datetime) -> None:
        """Who wants what: instruments for the prices, series for the candles, both for the stream."""
        instruments, series = watching.watched(self.exchange, now)
        self.instruments = {instrument.symbol: instrument for instrument in instruments}
        streamed = self.source(now) == Source.STREAM
        self.chores.want(instruments, series, streamed=streamed)
        if self.stream is not None:
            names = [(instrument.symbol, timeframe) for instrument, timeframe in series]
            self.stream.want(list(self.instruments), names)

    def take_streamed(self, now: datetime) -> list[int]:
        ticks = self.inbox.ticks()
        moved = self.prices.take(ticks=ticks, instruments=self.instruments, now=now, source=Source.STREAM)
        if any(tick.priced and now - tick.at < LAGS for tick in ticks):
            self._streamed_at = now
        if any(tick.funding_rate is not None for tick in ticks):
            self._told_at["funding"] = now
        if any(tick.day_open is not None for tick in ticks):
            self._told_at["day"] = now
        return moved

    def poll(self, now: datetime) -> None:
        """Ask by REST for what lags, and let it in."""
        for ask in self.questions(now):
            self._take_polled(self._answer(ask))

    def questions(self, now: datetime) -> list[Question]:
        """What is to be asked by REST: prices older than they should be, and what no stream brings."""
        symbols = list(self.instruments)
        found: list[Question] = []
        lagging = [one.symbol for one in self.instruments.values() if self._lags(one, now)]
        if lagging:
            found.append(partial(market_data.prices, self.exchange, lagging))
        if symbols and self._untold("funding", now) and self._time_for("marks", MARKS_SECONDS):
            found.append(partial(market_data.funding, self.exchange, symbols))
        if symbols and self._untold("day", now) and self._time_for("day", DAY_SECONDS):
            found.append(partial(market_data.day, self.exchange, symbols))
        return found

    def _untold(self, part: str, now: datetime) -> bool:
        """Whether no stream tells this part: not every exchange pushes all of it."""
        told = self._told_at.get(part)
        return told is None or now - told > timedelta(seconds=MARKS_SECONDS)

    def _lags(self, instrument: Instrument, now: datetime) -> bool:
        known = self.prices.known.get(instrument.pk)
        patience = LAGS if self.source(now) == Source.STREAM else timedelta(seconds=POLL_SECONDS / 2)
        return known is None or now - known.at > patience

    def _answer(self, question: Question) -> list[Tick]:
        try:
            return question()
        except market_data.Away as away:
            log.info("not_polled", exchange=self.exchange, reason=str(away))
            return []

    def _take_polled(self, ticks: list[Tick]) -> None:
        now = datetime.now(UTC)
        self.prices.take(ticks=ticks, instruments=self.instruments, now=now, source=Source.POLLING)
        if any(tick.priced and now - tick.at < LAGS for tick in ticks):
            self._polled_at = now

    def source(self, now: datetime) -> Source:
        """Where fresh prices come from at present."""
        if self._streamed_at is not None and now - self._streamed_at < LAGS:
            return Source.STREAM
        if self._polled_at is not None and now - self._polled_at < 2 * LAGS:
            return Source.POLLING
        return Source.NONE

    def write(self, now: datetime) -> None:
        """Store what was noted of ages and refusals, and where prices come from."""
        self.prices.ages.write()
        refusals.write(now)
        source = self.source(now)
        ExchangeState.objects.filter(exchange=self.exchange).exclude(source=source).update(source=source)
        if source != Source.NONE:
            Feed.objects.filter(pk=self.feed.pk).update(stepped_at=now, market_now=now)

    def _time_for(self, name: str, seconds: float) -> bool:
        """Whether it is time for something that is done every so many seconds; notes that it is done now."""
        wall = monotonic()
        if wall < self._due.get(name, 0.0):
            return False
        self._due[name] = wall + seconds
        return True
