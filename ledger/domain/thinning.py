"""Which points an equity curve can do without as it gets old: one an hour stays, later one a day.

Thinning changes no figure: the first and the newest point stay, and all on which the drawdown rests, now and later.
"""

from collections.abc import Iterable
from decimal import Decimal

from markets.domain.rounding import ZERO

HOUR, DAY = 3600, 86_400


def spare(points: Iterable[tuple[int, int, Decimal]], *, hourly_before: int, daily_before: int) -> list[int]:
    """The ids of points that may go. `points` are (id, UTC second, growth), oldest to newest, growth above zero.

    Of each hour before `hourly_before`, and of each day before `daily_before` (UTC seconds), the last stays. Besides,
    the highest point of all stays, and both ends of the deepest fall: a later drawdown is measured from one of these.
    """
    dropped: list[int] = []
    span_before: tuple[int, int] | None = None
    last = -1
    marks = _Landmarks()
    for pk, second, growth in points:
        marks.pass_by(pk, growth)
        width = DAY if second < daily_before else HOUR if second < hourly_before else 1
        span = (width, second // width)
        if span == span_before:
            dropped.append(last)
        span_before, last = span, pk
    kept = marks.ids
    return [pk for pk in dropped if pk not in kept]


class _Landmarks:
    """Walks along a curve and remembers its first point, its highest, and both ends of its deepest fall."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._top, self._peak = -1, ZERO
        self._depth, self._fall = ZERO, (-1, -1)

    def pass_by(self, pk: int, growth: Decimal) -> None:
        if self._first is None:
            self._first = pk
        if growth >= self._peak:
            self._top, self._peak = pk, growth
        elif self._peak and (depth := (self._peak - growth) / self._peak) > self._depth:
            self._depth, self._fall = depth, (self._top, pk)

    @property
    def ids(self) -> set[int]:
        return {-1 if self._first is None else self._first, self._top, *self._fall}
