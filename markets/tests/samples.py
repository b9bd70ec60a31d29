"""Candles out of thin air: random but sane, on the grid, the same for the same seed."""

from datetime import UTC, datetime

import numpy as np

from markets.domain.candles import TIMEFRAMES, Candles, milliseconds

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)


def candles(count: int, timeframe: str = "1m", seed: int = 1, begin: datetime = BEGIN, price: float = 100.0) -> Candles:
    """A random walk of `count` candles with two decimals, the first opening at `begin`."""
    random = np.random.default_rng(seed)
    close = np.round(price * np.exp(np.cumsum(random.normal(0, 0.004, count))), 2)
    open_ = np.concatenate([[price], close[:-1]])
    high = np.round(np.maximum(open_, close) + random.uniform(0, 0.3, count), 2)
    low = np.round(np.minimum(open_, close) - random.uniform(0, 0.3, count), 2)
    time = milliseconds(begin) + TIMEFRAMES[timeframe] * np.arange(count, dtype=np.int64)
    return Candles(time, open_, high, low, close, np.round(random.uniform(1, 50, count), 3))


def without(part: Candles, *rows: int) -> Candles:
    """The same with holes."""
    return part[~np.isin(np.arange(len(part)), rows)]
