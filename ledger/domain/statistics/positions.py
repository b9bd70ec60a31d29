"""Figures of closed positions. Sums of money are exact; the columns that ratios are made of are floats.

`Closed` only grows, so that one more position costs no second look at those before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import sqrt
from operator import add, sub
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from markets.domain.rounding import ZERO

from .bootstrap import Floats, Interval, intervals

DAY = 86_400


class Columns(NamedTuple):
    """Closed positions as columns: UTC seconds, exact amounts in the book's currency.

    `traded` is the value of all fills.
    """

    ids: Sequence[int]
    closed: Sequence[int]
    opened: Sequence[int]
    long: Sequence[bool]
    realised: Sequence[Decimal]
    fees: Sequence[Decimal]
    funding: Sequence[Decimal]
    traded: Sequence[float]


class Extreme(NamedTuple):
    """The best or the worst position, by its id, with its net result."""

    position: int
    net: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact sums over positions. `gains` and `losses` are net results, both as positive numbers."""

    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    gains: Decimal = ZERO
    losses: Decimal = ZERO

    @property
    def net(self) -> Decimal:
        return self.gains - self.losses


@dataclass(frozen=True, slots=True)
class Closed:
    """Closed positions, in the order in which they closed: `net` after fees and funding, times in seconds."""

    totals: Totals = Totals()
    ids: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    closed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    held: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    long: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    net: NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))
    traded: float = 0.0
    best: Extreme | None = None
    worst: Extreme | None = None

    @property
    def last(self) -> tuple[int, int]:
        """When the last of them closed, and its id; zeros without any."""
        return (int(self.closed[-1]), int(self.ids[-1])) if len(self.ids) else (0, 0)

    def by_day(self) -> dict[int, float]:
        """The sum of net results of each day (days since 1970) on which a position closed."""
        if not len(self.closed):
            return {}
        days = self.closed // DAY
        sums = np.bincount(days - days[0], self.net)
        return {int(days[0]) + place: float(sums[place]) for place in np.unique(days - days[0]).tolist()}

    def and_then(self, more: Columns) -> "Closed":
        """With positions that closed later, or at the same second with a higher id, in that order."""
        if not more.ids:
            return self
        nets = list(map(add, map(sub, more.realised, more.fees), more.funding))
        closed = np.array(more.closed, np.int64)
        return Closed(
            _added(self.totals, nets, more),
            np.concatenate([self.ids, np.array(more.ids, np.int64)]),
            np.concatenate([self.closed, closed]),
            np.concatenate([self.held, closed - np.array(more.opened, np.int64)]),
            np.concatenate([self.long, np.array(more.long, np.bool_)]),
            np.concatenate([self.net, np.array(list(map(float, nets)))]),
            self.traded + sum(more.traded),
            _first_of(self.best, more.ids, nets, max(nets), 1),
            _first_of(self.worst, more.ids, nets, min(nets), -1),
        )


def _added(totals: Totals, nets: Sequence[Decimal], more: Columns) -> Totals:
    return Totals(
        sum(more.realised, totals.realised),
        sum(more.fees, totals.fees),
        sum(more.funding, totals.funding),
        sum(filter(ZERO.__lt__, nets), totals.gains),
        totals.losses - sum(filter(ZERO.__gt__, nets), ZERO),
    )


def _first_of(
    known: Extreme | None, ids: Sequence[int], nets: Sequence[Decimal], extreme: Decimal, sign: int
) -> Extreme:
    if known is not None and (extreme - known.net) * sign <= 0:
        return known
    return Extreme(ids[nets.index(extreme)], extreme)


@dataclass(frozen=True, slots=True)
class Side:
    """The longs or the shorts alone."""

    positions: int
    net: float
    win_rate: float | None


@dataclass(frozen=True, slots=True)
class Holding:
    """Seconds from the first fill to flat."""

    shortest: int
    mean: float
    median: float
    longest: int


@dataclass(frozen=True, slots=True)
class PositionFigures:
    """Every result is net: after fees and funding. A result of exactly zero is neither won nor lost.

    Streaks count positions; `current_streak` is negative while losing.
    """

    positions: int = 0
    won: int = 0
    lost: int = 0
    totals: Totals = Totals()
    win_rate: float | None = None
    profit_factor: float | None = None
    expectancy: float | None = None
    expectancy_ratio: float | None = None
    payoff: float | None = None
    sqn: float | None = None
    best: Extreme | None = None
    worst: Extreme | None = None
    winning_streak: int = 0
    losing_streak: int = 0
    current_streak: int = 0
    longs: Side | None = None
    shorts: Side | None = None
    held: Holding | None = None
    held_won: Holding | None = None
    held_lost: Holding | None = None
    win_rate_interval: Interval | None = None
    profit_factor_interval: Interval | None = None
    expectancy_interval: Interval | None = None
    sqn_interval: Interval | None = None


def position_figures(closed: Closed) -> PositionFigures:
    """Every figure of closed positions, with intervals."""
    count, net, totals = len(closed.net), closed.net, closed.totals
    if not count:
        return PositionFigures()
    won, lost = net > 0, net < 0
    wins, losses = int(won.sum()), int(lost.sum())
    mean, payoff = float(totals.net) / count, _payoff(totals, wins, losses)
    streaks = _streaks(np.sign(net).astype(np.int64))
    gains = np.maximum(net, 0)
    sure = intervals(np.stack([net, net**2, gains, gains - net, won]).T, _RESAMPLED)
    return PositionFigures(
        positions=count,
        won=wins,
        lost=losses,
        totals=totals,
        win_rate=wins / count,
        profit_factor=float(totals.gains / totals.losses) if totals.losses else None,
        expectancy=mean,
        expectancy_ratio=None if payoff is None else (1 + payoff) * wins / count - 1,
        payoff=payoff,
        sqn=_sqn(net, mean),
        best=closed.best,
        worst=closed.worst,
        winning_streak=max(int(streaks.max()), 0),
        losing_streak=max(int(-streaks.min()), 0),
        current_streak=int(streaks[-1]),
        longs=_side(net[closed.long]),
        shorts=_side(net[~closed.long]),
        held=_holding(closed.held),
        held_won=_holding(closed.held[won]),
        held_lost=_holding(closed.held[lost]),
        **sure,
    )


def _payoff(totals: Totals, wins: int, losses: int) -> float | None:
    """The mean gain over the mean loss."""
    return float(totals.gains / wins / (totals.losses / losses)) if wins and losses else None


def _sqn(net: Floats, mean: float) -> float | None:
    spread = float(net.std(ddof=1)) if len(net) > 1 else 0.0
    return sqrt(len(net)) * mean / spread if spread else None


def _streaks(signs: NDArray[np.int64]) -> NDArray[np.int64]:
    """The lengths of runs of equal signs, oldest first, with the sign of what they are runs of."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(signs)) + 1])
    lengths: NDArray[np.int64] = signs[starts] * np.diff(starts, append=len(signs))
    return lengths


def _side(net: Floats) -> Side:
    return Side(len(net), float(net.sum()), float((net > 0).mean()) if len(net) else None)


def _holding(seconds: NDArray[np.int64]) -> Holding | None:
    if not len(seconds):
        return None
    return Holding(int(seconds.min()), float(seconds.mean()), float(np.median(seconds)), int(seconds.max()))


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _resampled_sqn(sums: Floats, count: int) -> Floats:
    variance = np.maximum(sums[:, 1] - sums[:, 0] ** 2 / count, 0) / (count - 1)
    return _ratio(sums[:, 0] / sqrt(count), np.sqrt(variance))


_RESAMPLED = {
    "win_rate_interval": lambda sums, count: sums[:, 4] / count,
    "profit_factor_interval": lambda sums, count: _ratio(sums[:, 2], sums[:, 3]),
    "expectancy_interval": lambda sums, count: sums[:, 0] / count,
    "sqn_interval": _resampled_sqn,
}
