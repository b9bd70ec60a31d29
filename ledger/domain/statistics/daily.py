"""Figures of daily series: what a book was worth at the end of each UTC day, with what was paid in or out."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from .bootstrap import Floats, Interval, intervals
from .drawdowns import Fall, deepest_fall

YEAR = 365  # crypto trades every day
TAIL = 0.05


@dataclass(frozen=True, slots=True)
class Daily:
    """One value for each day from `first` (days since 1970) on, oldest first, no day missing.

    The first may be the eve: the day before anything was paid in, worth nothing. `flows` are deposits and transfers
    of the day, net, and count as there from its beginning.
    """

    first: int
    values: NDArray[np.float64]
    flows: NDArray[np.float64]

    @property
    def returns(self) -> NDArray[np.float64]:
        """Of each day after the first: value over the day before's value plus the day's flows, minus one."""
        base = self.values[:-1] + self.flows[1:]
        moved = np.divide(self.values[1:], base, out=np.ones_like(base), where=base > 0)
        return moved - 1


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """Returns per day are simple, not logarithmic; `a year` means 365 days. No risk-free rate is taken off.

    `fall` is measured on the chained returns, so that a deposit is no gain and a withdrawal no loss.
    """

    days: int = 0
    total_return: float | None = None
    annual_return: float | None = None
    volatility: float | None = None
    sharpe: float | None = None
    sortino: float | None = None
    calmar: float | None = None
    omega: float | None = None
    cvar: float | None = None
    best_day: float | None = None
    worst_day: float | None = None
    days_up: int = 0
    days_down: int = 0
    fall: Fall | None = None
    sharpe_interval: Interval | None = None
    sortino_interval: Interval | None = None
    volatility_interval: Interval | None = None
    mean_interval: Interval | None = None
    mean: float | None = None
    first: int = 0
    started: int = 0

    def day(self, place: int) -> int:
        """The day since 1970 of a place in `fall`; the eve counts as the day on which the series started."""
        return max(self.first + place, self.started)


def with_every_day(days: Mapping[int, float], flows: Mapping[int, float]) -> Daily | None:
    """The series of `days` (days since 1970); a day without a value repeats the one before. None without days.

    What was paid in up to the first day stands at its beginning, so that the first day has a return too.
    """
    if not days:
        return None
    first, last = min(days), max(days)
    values, paid = np.empty(last - first + 2), np.zeros(last - first + 2)
    values[0] = 0.0
    for place in range(1, len(values)):
        values[place] = days.get(first - 1 + place, values[place - 1])
    for day, amount in flows.items():
        if day <= last:
            paid[max(day - first, 0) + 1] += amount
    eve = 0 if paid[1] > 0 else 1
    return Daily(first - 1 + eve, values[eve:], paid[eve:])


def daily_figures(daily: Daily | None) -> DailyFigures:
    """Every figure of a daily series; `days` counts its returns, and without any there are no figures."""
    if daily is None or len(daily.values) < 2:
        return DailyFigures()
    returns = daily.returns
    grown = np.concatenate([[1.0], np.cumprod(1 + returns)])
    fall, annual = deepest_fall(grown), _annual(float(grown[-1]), len(returns))
    sure = intervals(np.column_stack([returns, returns**2, np.minimum(returns, 0) ** 2]), _RESAMPLED)
    gains, losses = returns[returns > 0].sum(), -returns[returns < 0].sum()
    return DailyFigures(
        days=len(returns),
        total_return=float(grown[-1] - 1),
        annual_return=annual,
        volatility=_volatility(returns),
        sharpe=_over(returns.mean() * YEAR, _volatility(returns)),
        sortino=_over(returns.mean() * YEAR, sqrt((np.minimum(returns, 0) ** 2).mean() * YEAR)),
        calmar=None if fall is None else annual / fall.depth,
        omega=_over(gains, losses),
        cvar=_tail(returns),
        best_day=float(returns.max()),
        worst_day=float(returns.min()),
        days_up=int((returns > 0).sum()),
        days_down=int((returns < 0).sum()),
        fall=fall,
        mean=float(returns.mean()),
        first=daily.first,
        started=daily.first if daily.values[0] else daily.first + 1,
        **sure,
    )


def _annual(growth: float, days: int) -> float:
    return float(max(growth, 0.0) ** (YEAR / days) - 1)


def _volatility(returns: Floats) -> float | None:
    return float(returns.std(ddof=1) * sqrt(YEAR)) if len(returns) > 1 else None


def _over(above: float, below: float | None) -> float | None:
    return float(above) / below if below else None


def _tail(returns: Floats) -> float:
    """The mean of the worst twentieth of the days, at least of one."""
    worst = int((len(returns) - 1) * TAIL) + 1
    return float(np.partition(returns, worst - 1)[:worst].mean())


def _mean(sums: Floats, count: int) -> Floats:
    return sums[:, 0] / count


def _spread(sums: Floats, count: int) -> Floats:
    """A year's standard deviation of each resample."""
    variance = (sums[:, 1] - sums[:, 0] ** 2 / count) / (count - 1)
    spread: Floats = np.sqrt(np.maximum(variance, 0) * YEAR)
    return spread


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


_RESAMPLED = {
    "mean_interval": _mean,
    "volatility_interval": _spread,
    "sharpe_interval": lambda sums, count: _ratio(_mean(sums, count) * YEAR, _spread(sums, count)),
    "sortino_interval": lambda sums, count: _ratio(_mean(sums, count) * YEAR, np.sqrt(sums[:, 2] / count * YEAR)),
}
