"""Candles as arrays: float64 columns from the store to the indicator, oldest first, only closed ones.

Bad rows (NaN, not positive, inverted) are named here and refused where they enter. Times are in UTC ms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Time = TypeVar("Time", int, Times)

MINUTE = 60_000
HOUR = 60 * MINUTE
TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE,
    "1h": 60 * MINUTE, "2h": 120 * MINUTE, "4h": 240 * MINUTE, "8h": 480 * MINUTE, "12h": 720 * MINUTE,
    "1d": 1440 * MINUTE,
}  # fmt: skip


_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


@lru_cache(maxsize=256)  # The same instant is asked for again and again while it lasts.
def milliseconds(at: datetime) -> int:
    """UTC milliseconds of an aware datetime, cut to the millisecond."""
    # In whole numbers, so that no float of seconds is cut a millisecond too early.
    return (at - _EPOCH) // _MILLISECOND


def funding_hour(ms: Time) -> Time:
    """The full hour of a settlement at these UTC milliseconds, a number or an array of them.

    Exchanges tell its time a few milliseconds late, at worst some minutes, and not always the same: only the hour tells
    whether two sources speak of one settlement.
    """
    return (ms + HOUR // 2) // HOUR * HOUR


def instant(ms: int) -> datetime:
    """The aware UTC datetime of UTC milliseconds."""
    return _EPOCH + int(ms) * _MILLISECOND


@dataclass(frozen=True, slots=True, eq=False)
class Candles:
    """Columns of equal length n, oldest first; `time` is the open time. Volume is in base units."""

    time: Times
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> "Candles":
        time, *prices = self.columns()
        return Candles(time[part], *(column[part] for column in prices))

    def columns(self) -> tuple[Times, Floats, Floats, Floats, Floats, Floats]:
        return self.time, self.open, self.high, self.low, self.close, self.volume

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> "Candles":
        """From rows of (time, open, high, low, close, volume)."""
        if not rows:
            return cls(np.empty(0, np.int64), *(np.empty(0) for _ in range(5)))
        table = np.asarray(rows, dtype=np.float64)
        return cls(table[:, 0].astype(np.int64), *(np.ascontiguousarray(table[:, i]) for i in range(1, 6)))


REPEATED = "its time repeats the row before"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that must not enter. `row` counts from zero."""

    row: int
    problem: str


def bad_rows(candles: Candles, timeframe_ms: int) -> list[BadRow]:
    """Every row that is not finite, not positive, inverted, off the grid, out of order or a duplicate."""
    prices = np.stack([candles.open, candles.high, candles.low, candles.close])
    body_high = np.maximum(candles.open, candles.close)
    body_low = np.minimum(candles.open, candles.close)
    steps = np.diff(candles.time, prepend=candles.time[:1] - timeframe_ms)
    finite = np.isfinite(candles.volume)
    checks = (
        ("a price is not a finite number", ~np.isfinite(prices).all(axis=0)),
        ("the volume is not a finite number of at least zero", ~(finite & (candles.volume >= 0))),
        ("a price is not above zero", (prices <= 0).any(axis=0)),
        ("high and low do not enclose open and close", (candles.high < body_high) | (candles.low > body_low)),
        ("its time is not on the grid of the timeframe", candles.time % timeframe_ms != 0),
        (REPEATED, steps == 0),
        ("its time is before the row before", steps < 0),
    )
    found: dict[int, str] = {}
    for problem, mask in checks:
        for row in np.flatnonzero(mask):
            found.setdefault(int(row), problem)
    return [BadRow(row, found[row]) for row in sorted(found)]


def gaps(candles: Candles, timeframe_ms: int) -> int:
    """The number of candles missing inside the range."""
    if len(candles) < 2:
        return 0
    return int((candles.time[-1] - candles.time[0]) // timeframe_ms + 1 - len(candles))


def unbroken_tail(candles: Candles, timeframe_ms: int) -> Candles:
    """The newest part without a hole: indicators are never computed across one."""
    breaks = np.flatnonzero(np.diff(candles.time) != timeframe_ms)
    return candles[int(breaks[-1]) + 1 :] if len(breaks) else candles


def resample(candles: Candles, source_ms: int, target_ms: int) -> Candles:
    """Candles of a coarser timeframe; only buckets in which every finer candle is present.

    `target_ms` must be a multiple of `source_ms`, else ValueError.
    """
    if target_ms % source_ms:
        raise ValueError("The target timeframe is not a multiple of the source timeframe.")
    if not len(candles):
        return candles
    bucket = candles.time - candles.time % target_ms
    starts = np.flatnonzero(np.diff(bucket, prepend=-1))
    counts = np.diff(np.append(starts, len(candles)))
    merged = Candles(
        bucket[starts],
        candles.open[starts],
        np.maximum.reduceat(candles.high, starts),
        np.minimum.reduceat(candles.low, starts),
        candles.close[starts + counts - 1],
        np.add.reduceat(candles.volume, starts),
    )
    return merged[counts == target_ms // source_ms]
