"""What a live market needs besides prices, in a thread of its own: candles, funding, open interest, rules, the clock.

Each chore asks only for what is missing, so that it may be begun at any time, and leaves the rest for the next round
where the exchange is away.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TypeVar

import structlog
from django.db import close_old_connections

from markets import retention, watching
from markets.domain.candles import Candles
from markets.exchanges import market_data
from markets.models import ExchangeState, Feed, Instrument, InstrumentStatus, Source

from . import funding, instruments
from .ages import Ages
from .candles import LiveCandles
from .inbox import Inbox

ROUND_SECONDS = 0.25
AT_ONCE = 4  # candle requests under way at the same time
RULES_EVERY, RULES_AT_END = timedelta(hours=1), timedelta(minutes=1)
CLOCK_SECONDS, LOOSE_CLOCK_MS = 600.0, 500
FUNDING_SECONDS, INTEREST_SECONDS, SWEEP_SECONDS, AGES_SECONDS = 5.0, 20.0, 300.0, 2.0
AWAY_SECONDS = 2.0  # after an exchange was away, until it is asked again
log = structlog.get_logger(__name__)
T = TypeVar("T")


class Chores:
    """The chores of one feed. `want` says for what; `start` and `stop` are for the driver."""

    def __init__(self, feed: Feed, inbox: Inbox) -> None:
        self.feed, self.exchange, self.inbox = feed, feed.exchange, inbox
        self.ages = Ages()
        self.candles = LiveCandles(self.exchange, self.ages)
        self._instruments: Sequence[Instrument] = ()
        self._series: Sequence[tuple[Instrument, str]] = ()
        self._streamed = False
        self._due: dict[str, float] = {}
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="candles")
        self._thread = threading.Thread(target=self._run, name=f"chores-{self.exchange}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(15)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def want(
        self, instruments: Sequence[Instrument], series: Sequence[tuple[Instrument, str]], *, streamed: bool
    ) -> None:
        self._instruments, self._series, self._streamed = instruments, series, streamed

    def _run(self) -> None:
        while not self._ended.wait(ROUND_SECONDS):
            try:
                self.round(datetime.now(UTC))
            except market_data.Away as away:
                log.info("chore_left", exchange=self.exchange, reason=str(away))
                self._ended.wait(AWAY_SECONDS)
            except Exception:  # Prices go on; the chore comes round again.
                log.exception("chore_failed", exchange=self.exchange)
                self._ended.wait(AWAY_SECONDS)
            finally:
                close_old_connections()

    def round(self, now: datetime) -> None:
        """Whatever is due at wall time `now`; what fails keeps nothing else from being done. Raises Away in the end."""
        self.take_candles(now)
        away: market_data.Away | None = None
        for chore in (self.read_rules, self.fill_candles, self.settle_funding, self.read_interest, self.tidy):
            try:
                chore(now)
            except market_data.Away as reason:
                away = reason
            except Exception:
                log.exception("chore_failed", exchange=self.exchange, chore=chore.__name__)
        if away is not None:
            raise away

    def settle_funding(self, now: datetime) -> None:
        if self._time_for("funding", FUNDING_SECONDS):
            for instrument in funding.overdue(self.feed, self._instruments, now):
                funding.settle(self.feed, instrument, now, self.ages)

    def read_interest(self, now: datetime) -> None:
        if self._time_for("interest", INTEREST_SECONDS):
            for instrument in funding.interest_due(self._instruments, now):
                funding.read_interest(self.exchange, instrument, now, self.ages)

    def tidy(self, now: datetime) -> None:
        """Ages, old rows and the clock."""
        if self._time_for("ages", AGES_SECONDS):
            self.ages.write()
        if self._time_for("sweep", SWEEP_SECONDS):
            watching.sweep(now)
            retention.drop_old_interest(now)
        if self._time_for("clock", CLOCK_SECONDS):
            self.compare_clocks()

    def take_candles(self, now: datetime) -> None:
        """Store what the stream has closed; what does not follow on is filled by REST."""
        by_symbol = {instrument.symbol: instrument for instrument in self._instruments}
        for told in self.inbox.candles():
            if (instrument := by_symbol.get(told.symbol)) is not None:
                self.candles.take(instrument, told.timeframe, Candles.of([told.row]), now, Source.STREAM)

    def fill_candles(self, now: datetime) -> int:
        """Ask for every closed candle that is wanted and missing; several series at once."""
        due = self.candles.due(self._series, now, streamed=self._streamed)
        jobs = [self._pool.submit(in_thread(self.candles.fill), *one, now) for one in due]
        return sum(job.result() for job in jobs)

    def read_rules(self, now: datetime) -> None:
        """Instruments and rules, hourly, and at the start of a process: the stream needs them."""
        state = ExchangeState.objects.filter(exchange=self.exchange).first()
        every = RULES_AT_END if any(_ends(one, now) for one in self._instruments) else RULES_EVERY
        young = state is not None and state.rules_at is not None and now - state.rules_at < every
        if young and market_data.loaded(self.exchange) is not None:
            return
        instruments.refresh(self.exchange, now, symbols=())
        instruments.end_delisted(self.feed, now)
        ExchangeState.objects.filter(exchange=self.exchange).update(rules_at=now)

    def compare_clocks(self) -> None:
        offset = market_data.clock_offset(self.exchange)
        ExchangeState.objects.filter(exchange=self.exchange).update(clock_offset_ms=offset)
        if offset is not None and abs(offset) > LOOSE_CLOCK_MS:
            log.error("clock_differs", exchange=self.exchange, milliseconds=offset)

    def _time_for(self, name: str, seconds: float) -> bool:
        wall = monotonic()
        if wall < self._due.get(name, 0.0):
            return False
        self._due[name] = wall + seconds
        return True


def _ends(instrument: Instrument, now: datetime) -> bool:
    """Whether the exchange should have delisted it by now."""
    leaving = instrument.status == InstrumentStatus.LEAVING
    return leaving and instrument.delists_at is not None and instrument.delists_at <= now


def in_thread(work: Callable[..., T]) -> Callable[..., T]:
    """`work` in a thread of a pool: it gives its connection back at the end."""

    def done(*given: object) -> T:
        try:
            return work(*given)
        finally:
            close_old_connections()

    return done
