"""The websocket half of a live market: subscribes to what is wanted and puts what comes into an inbox.

It runs in a thread with a loop of its own and stores nothing. A stream that is silent, or tells old prices, is closed
and opened anew, with a pause that grows; meanwhile the driver asks by REST.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.domain.intake import Tick
from markets.exchanges import clients, market_data

from .inbox import ClosedCandle, Inbox

SILENCE = timedelta(seconds=10)  # by the time of the data itself
PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
FINAL_MS = 500  # a candle is final where its last update came at most so long before its end
log = structlog.get_logger(__name__)
Read = Callable[[str, Mapping[str, Any]], Tick]


class Stream:
    """One exchange's stream. `want` says what is to come; `start` and `stop` are for the driver's thread."""

    def __init__(self, exchange: str, inbox: Inbox) -> None:
        self.exchange, self.inbox = exchange, inbox
        self.connected = False
        self._symbols: tuple[str, ...] = ()
        self._series: tuple[tuple[str, str], ...] = ()
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"stream-{exchange}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def want(self, symbols: Sequence[str], series: Sequence[tuple[str, str]]) -> None:
        """What is to come from now on. What is new joins the open stream; what nobody wants is not passed on."""
        wanted = (tuple(sorted(symbols)), tuple(sorted(series)))
        if wanted != (self._symbols, self._series):
            self._symbols, self._series = wanted
            self._changed.set()

    # --- In the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        """Open, listen, and open again, until stopped."""
        failures = 0
        while not self._ended.is_set():
            self._changed.clear()
            if not self._symbols or market_data.loaded(self.exchange) is None:
                await asyncio.sleep(0.2)
                continue
            began = datetime.now(UTC)
            try:
                await self._listen()
            except clients.UnknownExchange:
                log.warning("no_stream", exchange=self.exchange)
                return
            except Exception as error:  # A stream may break in any way; it is opened again.
                log.warning("stream_broken", exchange=self.exchange, reason=f"{type(error).__name__}: {error}"[:200])
            self.connected = False
            failures = 0 if datetime.now(UTC) - began > timedelta(minutes=1) else failures + 1
            await self._pause(PAUSES[min(failures, len(PAUSES) - 1)])

    async def _pause(self, seconds: float) -> None:
        await asyncio.to_thread(self._ended.wait, seconds)

    async def _listen(self) -> None:
        """One connection's life: until it breaks, falls silent, or something else is wanted."""
        client = clients.streaming_client(self.exchange)
        tasks: list[asyncio.Task[None]] = []
        try:
            known = market_data.loaded(self.exchange)
            assert known is not None
            client.set_markets(*known)
            opened = datetime.now(UTC)
            symbols, series = set[str](), set[tuple[str, str]]()
            while not self._ended.is_set():
                self._changed.clear()
                new_symbols, new_series = set(self._symbols) - symbols, set(self._series) - series
                symbols, series = symbols | new_symbols, series | new_series
                works = self._channels(client, sorted(new_symbols), sorted(new_series))
                tasks += [asyncio.create_task(work) for work in works]
                await self._watch_over(tasks, opened)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), 5)

    async def _watch_over(self, tasks: Sequence[asyncio.Task[None]], opened: datetime) -> None:
        """Ends where something else is wanted. Raises what broke a channel, TimeoutError where nothing new is told."""
        while not self._ended.is_set() and not self._changed.is_set():
            done, _ = await asyncio.wait(tasks, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            newest = self.inbox.newest_at or opened
            self.connected = newest > opened - SILENCE and self.inbox.newest_at is not None
            if datetime.now(UTC) - max(newest, opened) > SILENCE:
                raise TimeoutError(f"no price newer than {newest:%H:%M:%S}")

    def _channels(
        self, client: Any, symbols: list[str], series: list[tuple[str, str]]
    ) -> list[Coroutine[Any, Any, None]]:
        """What this exchange can push of all that is wanted."""
        has = client.has
        channels: list[Coroutine[Any, Any, None]] = []
        if not symbols:
            pass
        elif self.exchange in market_data.LIGHT_LISTS:
            channels.append(self._prices(client.watch_bids_asks, symbols, market_data.tick_of, client.bidsasks))
            channels.append(self._prices(client.watch_tickers, symbols, _last_and_day))
        elif has.get("watchTickers"):
            channels.append(self._prices(client.watch_tickers, symbols, _whole_ticker, client.tickers))
        if symbols and has.get("watchMarkPrices"):
            channels.append(self._prices(client.watch_mark_prices, symbols, market_data.mark_of))
        pairs = [list(pair) for pair in series]
        if series and has.get("watchOHLCVForSymbols"):
            channels.append(self._candles(client, series, lambda: client.watch_ohlcv_for_symbols(pairs)))
        elif has.get("watchOHLCV"):
            channels += [self._series_of(client, symbol, timeframe) for symbol, timeframe in series]
        return channels

    async def _prices(
        self,
        watch: Callable[..., Awaitable[Any]],
        symbols: list[str],
        read: Read,
        kept: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Ask for the next message again and again. ccxt gives back one of those that came at once; `kept` has all."""
        seen: dict[str, Any] = {}
        while True:
            told = await watch(symbols)
            newest = told if kept is None else {symbol: kept[symbol] for symbol in symbols if symbol in kept}
            fresh = {symbol: ticker for symbol, ticker in newest.items() if seen.get(symbol) is not ticker}
            seen |= fresh
            self.inbox.put([read(symbol, ticker) for symbol, ticker in fresh.items() if symbol in self._symbols])

    async def _candles(
        self, client: Any, series: Sequence[tuple[str, str]], watch: Callable[[], Awaitable[Any]]
    ) -> None:
        finals = _Finals()
        while True:
            await watch()
            for symbol, timeframe in series:
                kept = client.ohlcvs.get(symbol, {}).get(timeframe)
                for row in finals.closed(symbol, timeframe, list(kept)[-3:] if kept else ()):
                    self.inbox.put_candle(ClosedCandle(symbol, timeframe, row))

    async def _series_of(self, client: Any, symbol: str, timeframe: str) -> None:
        await self._candles(client, [(symbol, timeframe)], lambda: client.watch_ohlcv(symbol, timeframe))


class _Finals:
    """Tells which candle of a stream is final: the next one has begun, and its own last update came at its end."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], tuple[tuple[float, ...], int]] = {}

    def closed(self, symbol: str, timeframe: str, rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
        found, now = [], milliseconds(datetime.now(UTC))
        for row in sorted(tuple(row[:6]) for row in rows):
            before = self._open.get((symbol, timeframe))
            if before is not None and row[0] > before[0][0]:
                ended = before[0][0] + TIMEFRAMES[timeframe]
                if before[1] >= ended - FINAL_MS and row[0] == ended:
                    found.append(before[0])
            if before is None or (row[0] >= before[0][0] and row != before[0]):
                self._open[symbol, timeframe] = (row, now)
        return found


def _last_and_day(symbol: str, ticker: Mapping[str, Any]) -> Tick:
    """The last trade and the day of a ticker without a book."""
    day, price = market_data.day_of(symbol, ticker), market_data.tick_of(symbol, {**ticker, "bid": None, "ask": None})
    return price.over(day)


def _whole_ticker(symbol: str, ticker: Mapping[str, Any]) -> Tick:
    return market_data.tick_of(symbol, ticker).over(market_data.day_of(symbol, ticker))
