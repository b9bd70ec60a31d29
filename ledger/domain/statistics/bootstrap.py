"""How far a figure may be luck: percentile intervals from a circular block bootstrap with a fixed seed.

Blocks keep what hangs together together. Only figures that follow from sums over the observations are resampled, so
resamples of any length cost one sum each.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Figure = Callable[[Floats, int], Floats]  # of (sums by resample and column, observations): a value per resample

RESAMPLES, SEED = 1000, 7
COVERAGE = 0.95
FEWEST = 10  # observations below which an interval would be a pretence
_STARTS = 512


class Interval(NamedTuple):
    """The middle 95 % of the resampled values."""

    low: float
    high: float


def intervals(columns: Floats, figures: Mapping[str, Figure]) -> dict[str, Interval | None]:
    """The interval of each figure of `columns` (observations by column, in their order); None for too few.

    A figure is worked out from sums of the columns over a resample. A resample is made of blocks of n^(1/3)
    observations, drawn with replacement, going round at the end. Beyond 512 observations blocks begin at no more than
    512 places, and are long enough to reach the next.
    """
    count = len(columns)
    if count < FEWEST:
        return dict.fromkeys(figures)
    blocks, drawn, length = _blocks(columns)
    # Not as a product of matrices: that would start threads and end in other last digits on other machines.
    sums = np.einsum("rb,bc->rc", _drawn(len(blocks), drawn), blocks)
    return {name: _interval(figure(sums, drawn * length)) for name, figure in figures.items()}


def _blocks(columns: Floats) -> tuple[Floats, int, int]:
    """The sums of every block, how many blocks a resample takes, and how many observations a block has."""
    count = len(columns)
    every = -(-count // _STARTS)
    length = max(round(count ** (1 / 3)), every, 1)
    if length == every:
        # Side by side: each observation is in one block, and the last goes on at the beginning.
        places = np.arange(0, count, every)
        sums: Floats = np.add.reduceat(columns, places, axis=0)
        sums[-1] += columns[: places[-1] + length - count].sum(axis=0)
        return sums, -(-count // length), length
    round_about = np.concatenate([np.zeros((1, columns.shape[1])), columns, columns[:length]]).cumsum(axis=0)
    starts = np.arange(0, count, every)
    return round_about[starts + length] - round_about[starts], -(-count // length), length


@lru_cache(maxsize=2)
def _drawn(blocks: int, drawn: int) -> Floats:
    """How often each block is in each resample. The seed is fixed, so the same numbers give the same draws."""
    chosen = np.random.default_rng(SEED).integers(0, blocks, size=(RESAMPLES, drawn))
    chosen += np.arange(RESAMPLES)[:, None] * blocks
    return np.bincount(chosen.ravel(), minlength=RESAMPLES * blocks).reshape(RESAMPLES, blocks).astype(np.float64)


def _interval(values: Floats) -> Interval | None:
    known = values[np.isfinite(values)]
    if len(known) < RESAMPLES // 2:
        return None
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(low), float(high))
