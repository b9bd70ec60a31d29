"""How a book has done: pure functions of its equity and of the results of its closed positions.

Ratios are Decimal fractions (0.05 is five per cent); a ratio without a base is None, never zero. Sharpe and
its kin, which need daily series, do not live here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from markets.domain.rounding import ZERO

ONE = Decimal(1)


def rate_of_return(equity: Decimal, deposited: Decimal) -> Decimal | None:
    """Equity over what was deposited (net of withdrawals), minus one. None where nothing is deposited.

    It weighs money, not time: a deposit thins what was gained or lost before it.
    """
    return equity / deposited - ONE if deposited > ZERO else None


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A walk along values: `peak` is the highest so far, `depth` the deepest fall from a peak, 0 to 1."""

    peak: Decimal = ZERO
    depth: Decimal = ZERO

    def along(self, values: Iterable[Decimal]) -> "Drawdown":
        """The walk further on. Depth = max over t of (highest before t - value at t) / highest before t."""
        peak, depth = self.peak, self.depth
        for value in values:
            if value >= peak:
                peak = value
            elif (fall := (peak - value) / peak) > depth:
                depth = fall
        return Drawdown(peak, depth)


def max_drawdown(values: Iterable[Decimal]) -> Decimal:
    """The deepest fall from a peak, as a fraction of that peak; `values` run oldest to newest."""
    return Drawdown().along(values).depth


def win_rate(results: Sequence[Decimal]) -> Decimal | None:
    """The share of results above zero, after fees and funding; a result of exactly zero is no win."""
    if not results:
        return None
    return share_of_wins(sum(1 for result in results if result > ZERO), len(results))


def share_of_wins(wins: int, closed: int) -> Decimal | None:
    """Wins over closed positions; None before the first is closed."""
    return Decimal(wins) / closed if closed else None


def profit_factor(results: Iterable[Decimal]) -> Decimal | None:
    """Sum of gains over sum of losses, the latter as a positive number. None without a loss."""
    gains = losses = ZERO
    for result in results:
        if result > ZERO:
            gains += result
        else:
            losses -= result
    return gains_over_losses(gains, losses)


def gains_over_losses(gains: Decimal, losses: Decimal) -> Decimal | None:
    """The profit factor of sums, both as positive numbers. None without a loss."""
    return gains / losses if losses else None
