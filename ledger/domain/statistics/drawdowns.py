"""Falls from a peak: how deep, from when to when, how long until it was made good."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Fall:
    """The deepest fall. `depth` is a fraction of the peak; days count from the first day of the series.

    `recovered` is the first day at the peak or above after it, None while there is none. `longest` is the longest
    time in days below a peak, the one that still lasts included.
    """

    depth: float
    peak: int
    trough: int
    recovered: int | None
    longest: int

    @property
    def to_trough(self) -> int:
        return self.trough - self.peak

    @property
    def to_recovery(self) -> int | None:
        return None if self.recovered is None else self.recovered - self.trough


def deepest_fall(values: NDArray[np.float64]) -> Fall | None:
    """The deepest fall of `values`, all above or at zero, one a day, oldest first; None where they never fall."""
    if not len(values):
        return None
    peaks = np.maximum.accumulate(values)
    under = np.divide(peaks - values, peaks, out=np.zeros_like(values), where=peaks > 0)
    trough = int(under.argmax())
    if under[trough] <= 0:
        return None
    top = peaks[trough]
    peak = int(np.flatnonzero(values[: trough + 1] == top)[-1])
    later = np.flatnonzero(values[trough:] >= top)
    return Fall(float(under[trough]), peak, trough, trough + int(later[0]) if len(later) else None, _longest(values))


def _longest(values: NDArray[np.float64]) -> int:
    """The most days from a peak to the day on which it is reached again, or to the last day."""
    at_peak = np.flatnonzero(values >= np.maximum.accumulate(values))
    inside = np.diff(at_peak)
    recovered = inside[inside > 1].max(initial=0)
    return int(max(recovered, len(values) - 1 - at_peak[-1]))
