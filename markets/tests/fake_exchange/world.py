"""The market behind a fake exchange: instruments, a clock that a test may hold, and prices that follow from a seed.

Prices are a smooth function of time, so candles, tickers and books of any moment agree with each other and two runs
see the same market. A test may set a price, freeze the market, or tell it real candles.
"""

import asyncio
import threading
import time
import zlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np

from markets.domain.candles import MINUTE, TIMEFRAMES, Candles, milliseconds, resample

# Amplitude as a fraction of the price, and period in milliseconds.
WAVES = ((0.03, 41 * 3_600_000), (0.008, 97 * MINUTE), (0.003, 13 * MINUTE), (0.0006, 71_000))
SAMPLES = np.arange(0, MINUTE + 1, 15_000)
LONGEST_HISTORY = 400 * 1440 * MINUTE


@dataclass(slots=True)
class Listed:
    """One linear perpetual. `status` is trading, halted (no new orders) or delisted; times are UTC ms."""

    base: str
    price: float
    tick: str
    step: str
    quote: str = "USDT"
    min_quantity: str = ""
    min_notional: str = "5"
    max_leverage: int = 50
    funding_hours: int = 8
    funding_rate: str = "0.0001"
    open_interest: str = "81234.5"
    status: str = "trading"
    delists_at: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def symbol(self) -> str:
        return f"{self.base}/{self.quote}:{self.quote}"


def default_listing(quote: str = "USDT") -> list[Listed]:
    return [
        Listed("BTC", 65_000, "0.1", "0.001", quote, min_notional="100", max_leverage=125),
        Listed("ETH", 3_200, "0.01", "0.001", quote, min_notional="20", max_leverage=100),
        Listed("SOL", 150, "0.01", "0.01", quote),
        Listed("XRP", 0.62, "0.0001", "0.1", quote),
        Listed("DOGE", 0.12, "0.00001", "1", quote),
        Listed("BNB", 590, "0.01", "0.01", quote),
    ]


class World:
    """One exchange's market. Methods may be called from any thread; what they change is pushed at once."""

    def __init__(self, listing: Sequence[Listed] | None = None, *, seed: int = 7, quote: str = "USDT") -> None:
        self.seed = seed
        self.listed = {one.symbol: one for one in (listing if listing is not None else default_listing(quote))}
        self.half_spread = 0.0001
        self.tick_seconds = 0.25
        self.maintenance = False
        self.streams_refused = self.streams_silent = False
        self._held: int | None = None
        self._offset = 0
        self._frozen: int | None = None
        self._set: dict[str, list[tuple[int, float]]] = {}
        self._told: dict[tuple[str, str], Candles] = {}
        self._books: dict[str, dict[str, Any]] = {}
        self.funding_late_ms = 3  # as Binance stamps it
        self._settled: dict[str, list[tuple[int, str]]] = {}
        self._wrong: dict[tuple[str, str], list[Any]] = {}
        self._listeners: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._lock = threading.Lock()
        self.stream_generation = 0

    # --- The clock -----------------------------------------------------------------------------------

    def now(self) -> int:
        """UTC milliseconds."""
        return self._held if self._held is not None else int(time.time() * 1000) + self._offset

    def hold(self, at: datetime | int) -> None:
        """Stop the clock there; `advance` moves it."""
        self._held = at if isinstance(at, int) else milliseconds(at)
        self.announce()

    def advance(self, seconds: float) -> None:
        if self._held is not None:
            self._held += int(seconds * 1000)
        else:
            self._offset += int(seconds * 1000)
        self.announce()

    def freeze(self, frozen: bool = True) -> None:
        """Prices (and their times) stand still while the exchange goes on answering."""
        self._frozen = self.now() if frozen else None

    def price_time(self) -> int:
        return self._frozen if self._frozen is not None else self.now()

    # --- Prices --------------------------------------------------------------------------------------

    def set_price(self, symbol: str, price: float | str | Decimal) -> None:
        """From now on the price is this one, until it is set again."""
        with self._lock:
            now = self.now()
            earlier = [(at, given) for at, given in self._set.get(symbol, ()) if at < now]  # a clock may step back
            self._set[symbol] = [*earlier, (now, float(price))]
        self.announce()

    def free_price(self, symbol: str) -> None:
        """The price follows its seed again, in the past too."""
        with self._lock:
            self._set.pop(symbol, None)
        self.announce()

    def tell(self, symbol: str, timeframe: str, candles: Candles) -> None:
        """Real candles instead of made ones, for this timeframe; prices inside them are drawn from them."""
        self._told[symbol, timeframe] = candles

    def price(self, symbol: str) -> Decimal:
        return self.at_tick(symbol, float(self._path(symbol, np.array([self.price_time()]))[0]))

    def mark(self, symbol: str) -> Decimal:
        return self.price(symbol)

    def book(self, symbol: str, levels: int = 20) -> tuple[list[list[str]], list[list[str]]]:
        """Bids and asks as [price, quantity] in text, the best first. `set_book` replaces it."""
        if symbol in self._books:
            given = self._books[symbol]
            return given["bids"], given["asks"]
        one, last = self.listed[symbol], self.price(symbol)
        tick = Decimal(one.tick)
        gap = max(self.at_tick(symbol, float(last) * self.half_spread), tick)
        size = Decimal(str(round(200_000 / one.price, 6))).quantize(Decimal(one.step))
        bids = [[str(last - gap - tick * n), str(size * (n + 1))] for n in range(levels)]
        asks = [[str(last + gap + tick * n), str(size * (n + 1))] for n in range(levels)]
        return bids, asks

    def set_book(self, symbol: str, bids: list[list[str]] | None, asks: list[list[str]] | None = None) -> None:
        """Give exactly this book, good or bad; None goes back to the made one."""
        if bids is None:
            self._books.pop(symbol, None)
        else:
            self._books[symbol] = {"bids": bids, "asks": asks or []}
        self.announce()

    def misquote(self, symbol: str, times: int | None = None, **figures: str) -> None:
        """Tell these figures (last, bid, ask, mark, candle) wrong, each so many `times` or until nothing is given.

        Nothing trades at them: the market itself is where it was.
        """
        with self._lock:
            self._wrong = {key: kept for key, kept in self._wrong.items() if key[0] != symbol}
            self._wrong |= {(symbol, name): [figure, times] for name, figure in figures.items()}
        self.announce()

    def told(self, symbol: str, name: str, figure: Any) -> str:
        """A figure as it is told to whoever asks."""
        with self._lock:
            wrong = self._wrong.get((symbol, name))
            if wrong is None:
                return str(figure)
            if wrong[1] is not None:
                wrong[1] -= 1
                if wrong[1] <= 0:
                    del self._wrong[symbol, name]
            return str(wrong[0])

    def misquotes(self, symbol: str) -> bool:
        """Whether something wrong is still to be told."""
        return any(key[0] == symbol for key in self._wrong)

    def at_tick(self, symbol: str, price: float) -> Decimal:
        tick = Decimal(self.listed[symbol].tick)
        return (Decimal(repr(float(price))) / tick).quantize(Decimal(1), ROUND_HALF_EVEN) * tick

    def _path(self, symbol: str, times: np.ndarray) -> np.ndarray:
        told = self._told.get((symbol, "1m"))
        if told is not None and len(told):
            prices = _inside(told, times)
        else:
            start = zlib.crc32(f"{symbol}:{self.seed}".encode()) % 100_000
            log = np.zeros(len(times))
            for number, (size, period) in enumerate(WAVES):
                log += size * np.sin(2 * np.pi * (times / period) + start * (number + 1))
            prices = self.listed[symbol].price * np.exp(log)
        given = self._set.get(symbol)
        if given:
            since = np.array([at for at, _ in given])
            values = np.array([value for _, value in given])
            place = np.searchsorted(since, times, side="right") - 1
            prices = np.where(place >= 0, values[np.maximum(place, 0)], prices)
        return np.asarray(prices)

    # --- Candles -------------------------------------------------------------------------------------

    def candles(
        self, symbol: str, timeframe: str, first: int | None = None, last: int | None = None, limit: int = 500
    ) -> Candles:
        """Candles by open time, oldest first, the one that is still open included, as exchanges give them.

        With `first` the oldest `limit` from there on, else the newest.
        """
        step, now = TIMEFRAMES[timeframe], self.price_time()
        newest = min(now, last if last is not None else now) // step * step
        oldest = newest - (limit - 1) * step if first is None else -(-first // step) * step
        oldest = max(oldest, now - LONGEST_HISTORY)
        if first is not None:
            newest = min(newest, oldest + (limit - 1) * step)
        if newest < oldest:
            return Candles.of([])
        told = self._told.get((symbol, timeframe))
        if told is not None:
            return told[(told.time >= oldest) & (told.time <= newest)]
        minutes = self._minutes(symbol, oldest, min(newest + step, now + 1))
        if timeframe == "1m":
            return minutes
        whole = resample(minutes, MINUTE, step)
        if len(minutes) and newest + step > now:
            part = minutes[minutes.time >= newest]
            if len(part) and (not len(whole) or whole.time[-1] < newest):
                whole = _joined(whole, newest, part)
        return whole

    def _minutes(self, symbol: str, first: int, end: int) -> Candles:
        times = np.arange(first // MINUTE * MINUTE, end, MINUTE, dtype=np.int64)
        if not len(times):
            return Candles.of([])
        # The one that is still open knows nothing of later moments.
        seen = np.minimum(times[:, None] + SAMPLES[None, :], max(self.price_time(), int(times[-1])))
        prices = self._path(symbol, seen.ravel()).reshape(seen.shape)
        tick = float(self.listed[symbol].tick)
        prices = np.round(np.round(prices / tick) * tick, 10)
        volume = np.round(40_000 / prices[:, 0] * (2 + np.sin(times / 7e6)), 3)
        return Candles(times, prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1], volume)

    # --- Funding -------------------------------------------------------------------------------------

    def settlements(self, symbol: str, first: int | None, last: int | None, limit: int = 100) -> list[tuple[int, str]]:
        """(time, rate) of past funding, oldest first."""
        if symbol in self._settled:
            inside = [row for row in self._settled[symbol] if (first or 0) <= row[0] <= (last or self.now())]
            return inside[:limit] if first is not None else inside[-limit:]
        step, late = self.listed[symbol].funding_hours * 3_600_000, self.funding_late_ms
        newest = (min(self.now(), last if last is not None else self.now()) - late) // step * step
        oldest = newest - (limit - 1) * step if first is None else -(-(first - late) // step) * step
        newest = min(newest, oldest + (limit - 1) * step)
        return [(at + late, self.listed[symbol].funding_rate) for at in range(oldest, newest + 1, step)]

    def tell_settlements(self, symbol: str, rows: Sequence[tuple[int, str]]) -> None:
        """From now on this is the past funding: (time, rate), oldest first."""
        self._settled[symbol] = list(rows)

    def next_funding(self, symbol: str) -> int:
        step = self.listed[symbol].funding_hours * 3_600_000
        return (self.now() // step + 1) * step

    # --- Streams -------------------------------------------------------------------------------------

    def drop_streams(self) -> None:
        """Cut every websocket that is open now."""
        self.stream_generation += 1
        self.announce()

    def announce(self) -> None:
        """Wake every stream, so that a change is pushed at once."""
        for loop, event in list(self._listeners):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def listen(self, event: asyncio.Event) -> tuple[asyncio.AbstractEventLoop, asyncio.Event]:
        pair = (asyncio.get_running_loop(), event)
        self._listeners.add(pair)
        return pair

    def leave(self, pair: tuple[asyncio.AbstractEventLoop, asyncio.Event]) -> None:
        self._listeners.discard(pair)

    def change(self, orders: Mapping[str, Any]) -> None:
        """What the control endpoint takes: `advance`, `hold`, `freeze`, `maintenance`, `streams_silent`,
        `streams_refused`, `drop_streams`, `tick_seconds`, `prices` {symbol: price or null}, `list` {symbol: fields}.
        """
        if "hold" in orders:
            self.hold(int(orders["hold"]))
        if "advance" in orders:
            self.advance(float(orders["advance"]))
        if "freeze" in orders:
            self.freeze(bool(orders["freeze"]))
        for name in ("maintenance", "streams_silent", "streams_refused", "tick_seconds"):
            if name in orders:
                setattr(self, name, orders[name])
        for symbol, price in orders.get("prices", {}).items():
            self.free_price(symbol) if price is None else self.set_price(symbol, price)
        for symbol, fields in orders.get("list", {}).items():
            for name, value in fields.items():
                setattr(self.listed[symbol], name, value)
        if orders.get("drop_streams"):
            self.drop_streams()


def _inside(told: Candles, times: np.ndarray) -> np.ndarray:
    """Prices between the open and the close of real candles."""
    starts = told.time.tolist()
    found = []
    for at in times.tolist():
        place = max(bisect_right(starts, at) - 1, 0)
        share = min(max((at - starts[place]) / MINUTE, 0.0), 1.0)
        found.append(told.open[place] + (told.close[place] - told.open[place]) * share)
    return np.array(found)


def _joined(whole: Candles, at: int, part: Candles) -> Candles:
    """The candle that is still open behind the whole ones."""
    rows = [list(row) for row in zip(*(column.tolist() for column in whole.columns()), strict=True)]
    opened = [
        at, part.open[0], float(part.high.max()), float(part.low.min()), part.close[-1], float(part.volume.sum())
    ]  # fmt: skip
    return Candles.of([*rows, opened])
