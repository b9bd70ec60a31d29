"""How good a series of candles is: holes, candles without trades, and jumps. Whole-series arrays in, figures out.

Nothing is repaired here. What must not be stored at all is told by `candles.bad_rows`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .candles import Candles, Floats, Times, bad_rows

# A change of the close beyond both is a jump: so many times the usual change of the series, and this share.
_TIMES_USUAL, _LEAST = 25, 0.03


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing candles: open times of its first and last one (UTC ms), and how many."""

    first: int
    last: int
    missing: int


@dataclass(frozen=True, slots=True)
class Quality:
    """What was found in so many candles from `first` to `last` (open times, UTC ms; None without a candle).

    `still` candles had no volume; `unbacked` ones moved without any, as prices do that nobody traded at. `jumps` are
    closes far from the one before, `reverted` those of them that the next candle took back by more than half.
    """

    candles: int
    first: int | None
    last: int | None
    gaps: tuple[Gap, ...]
    bad: int
    still: int
    unbacked: int
    jumps: int
    reverted: int

    @property
    def missing(self) -> int:
        return sum(gap.missing for gap in self.gaps)

    @property
    def troubles(self) -> int:
        """Everything worth a look: missing and bad candles, moves without trades, jumps that were taken back."""
        return self.missing + self.bad + self.unbacked + self.reverted


def quality(candles: Candles, timeframe_ms: int, *, traded: bool = True) -> Quality:
    """The quality of a whole series, oldest first. `traded` is False for mark prices, which have no volume."""
    count = len(candles)
    silent = (candles.volume == 0) & traded
    moved = candles.high > candles.low
    jumps, reverted = _jumps(candles, timeframe_ms)
    return Quality(
        candles=count,
        first=int(candles.time[0]) if count else None,
        last=int(candles.time[-1]) if count else None,
        gaps=tuple(_gaps(candles.time, timeframe_ms)),
        bad=len(bad_rows(candles, timeframe_ms)),
        still=int(silent.sum()),
        unbacked=int((silent & moved).sum()),
        jumps=int(jumps.sum()),
        reverted=int(reverted.sum()),
    )


def _gaps(time: Times, step: int) -> list[Gap]:
    broken = np.flatnonzero(np.diff(time) > step).tolist()
    return [Gap(int(time[i]) + step, int(time[i + 1]) - step, int((time[i + 1] - time[i]) // step - 1)) for i in broken]


def _jumps(candles: Candles, step: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Masks of the changes between neighbours that are jumps, and that were taken back at once."""
    change: Floats = np.diff(np.log(candles.close))
    beside = np.diff(candles.time) == step
    if not beside.any():
        return np.zeros(len(change), bool), np.zeros(len(change), bool)
    bound = max(_LEAST, _TIMES_USUAL * float(np.median(np.abs(change[beside]))))
    jumps = beside & (np.abs(change) > bound)
    after = np.append(np.where(beside[1:], change[1:], 0.0), 0.0)
    return jumps, jumps & (after * np.sign(change) < -np.abs(change) / 2)
