"""How long positions had no stop at their venue, over many of them: the figure that bracket or flat is judged by."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class BareTimes:
    """Seconds from the first fill until a stop was confirmed, with what was added whenever one was lost.

    `p99` is the time that 99 of 100 positions did not exceed.
    """

    positions: int
    median: float
    p99: float
    longest: float


def bare_times(seconds: Iterable[float]) -> BareTimes | None:
    """The figures of these positions; None where there are none. A rank is never rounded down."""
    ordered = sorted(seconds)
    if not ordered:
        return None

    def rank(share: float) -> float:
        return ordered[max(0, ceil(share * len(ordered)) - 1)]

    return BareTimes(len(ordered), rank(0.5), rank(0.99), ordered[-1])
