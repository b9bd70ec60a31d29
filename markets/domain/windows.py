"""Which candles the indicators of an instant are computed over: windows anchored in absolute time.

An exponential average depends on where its series begins. Anchored, it begins at the same candle in every
process, after every restart and in a backtest, so the same instant has the same values to the last digit.
"""

from datetime import datetime

from .candles import TIMEFRAMES, Candles, milliseconds, unbroken_tail
from .indicators import LONGEST_WARMUP
from .snapshot import Series

BLOCK = 256
WARM = max(LONGEST_WARMUP, BLOCK)
LONGEST = BLOCK + WARM - 1


def bounds(timeframe: str, now: datetime) -> tuple[int, int]:
    """Open times (UTC ms) of the first and the last candle of the window at `now`.

    The last is the newest candle closed at `now`; the first lies `WARM` candles before the block of `BLOCK`
    candles that `now` falls in. Raises KeyError for an unknown timeframe.
    """
    step = TIMEFRAMES[timeframe]
    running = milliseconds(now) // step
    first = running // BLOCK * BLOCK - WARM
    return first * step, (running - 1) * step


def series(candles: Candles, timeframe: str, now: datetime) -> Series:
    """The series of an instant, cut out of a longer stretch of candles: what a live cycle would have read."""
    first, last = bounds(timeframe, now)
    start, end = candles.time.searchsorted(first), candles.time.searchsorted(last, side="right")
    return Series(timeframe, unbroken_tail(candles[int(start) : int(end)], TIMEFRAMES[timeframe]))
