"""The equity of a backtest at every instant, as floats: for charts and ratios, never for money.

Between two events nothing changes but the price, so cash, quantity and cost are laid out over the instants at once.
"""

import numpy as np

from markets.domain.candles import Floats

from .engine import Result


def equity(result: Result) -> Floats:
    """Cash plus unrealised result at each instant from 0 to the last, after what was done there."""
    count = result.market.instants + 1
    starts = np.array([step.number for step in result.path], dtype=np.int64)
    lengths = np.diff(np.append(starts, count))
    total = np.repeat(np.array([float(step.cash) for step in result.path]), lengths)
    for symbol, course in result.market.courses.items():
        held = [next((row for row in step.positions if row[0] == symbol), None) for step in result.path]
        if not any(held):
            continue
        quantity = np.repeat([float(row[1]) if row else 0.0 for row in held], lengths)
        cost = np.repeat([float(row[2]) if row else 0.0 for row in held], lengths)
        marks = np.nan_to_num(course.marks(count))
        # A long is worth its value less its cost, a short its cost less its value.
        total += quantity * marks - np.sign(quantity) * cost
    return total


def exposed(result: Result) -> float:
    """The share of the instants at which anything was held."""
    starts = np.array([step.number for step in result.path], dtype=np.int64)
    lengths = np.diff(np.append(starts, result.market.instants + 1))
    return float(lengths[[bool(step.positions) for step in result.path]].sum() / max(lengths.sum(), 1))


def deepest_fall(values: Floats) -> float:
    """The deepest fall from a peak, as a fraction of that peak."""
    peaks = np.maximum.accumulate(values)
    return float(np.max((peaks - values) / np.where(peaks > 0, peaks, 1.0), initial=0.0))
