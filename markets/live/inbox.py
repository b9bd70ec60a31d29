"""What a stream has told and nobody has worked on yet: of each instrument the newest, so that haste drops nothing new.

One side puts from its event loop, the other takes in a thread of its own.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from markets.domain.intake import Tick


@dataclass(frozen=True, slots=True)
class ClosedCandle:
    """A candle that a stream has finished: `row` is time, open, high, low, close, volume."""

    symbol: str
    timeframe: str
    row: tuple[float, ...]


class Inbox:
    def __init__(self) -> None:
        self.news = threading.Event()
        self._ticks: dict[tuple[str, bool], Tick] = {}
        self._candles: list[ClosedCandle] = []
        self._lock = threading.Lock()
        self.newest_at: datetime | None = None  # the newest time of any price, as the exchange says it

    def put(self, ticks: Iterable[Tick]) -> None:
        """A later message comes over the one that waits for its instrument; prices and marks wait apart."""
        with self._lock:
            for tick in ticks:
                key = (tick.symbol, tick.priced)
                waiting = self._ticks.get(key)
                self._ticks[key] = tick if waiting is None else tick.over(waiting)
                if tick.priced and (self.newest_at is None or tick.at > self.newest_at):
                    self.newest_at = tick.at
        self.news.set()

    def put_candle(self, candle: ClosedCandle) -> None:
        with self._lock:
            self._candles.append(candle)

    def ticks(self) -> list[Tick]:
        with self._lock:
            self.news.clear()
            taken, self._ticks = list(self._ticks.values()), {}
        return taken

    def candles(self) -> list[ClosedCandle]:
        with self._lock:
            taken, self._candles = self._candles, []
        return taken
