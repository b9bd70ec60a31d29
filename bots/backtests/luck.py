"""How much of a result is the order of its trades, and how much which trades there happened to be. Pure, from a seed.

Each trade keeps the share of equity that it won or lost. Shuffled, the end stays and the way there changes: that tells
what drawdown was as likely. Drawn with replacement, the end changes too: that tells what else might have come out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from markets.domain.candles import Floats

DRAWS = 1000
FEWEST = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEPS = 60
# So many numbers are drawn at once: more would only take memory.
_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class Luck:
    """Quantiles run as `QUANTILES` do. `fan` holds for each of them the equity at up to 60 steps of drawn trades.

    `loss` is the share of draws that end below the cash they began with, `half` of those that fall to half a peak.
    """

    draws: int
    seed: int
    quantiles: tuple[float, ...]
    shuffled_drawdown: tuple[float, ...]
    drawn_drawdown: tuple[float, ...]
    drawn_equity: tuple[float, ...]
    loss: float
    half: float
    steps: tuple[int, ...]
    fan: tuple[tuple[float, ...], ...]


def luck(nets: Sequence[float], cash: float, seed: int) -> Luck | None:
    """The distribution for closed trades with these net results, in their order. None for fewer than ten."""
    if len(nets) < FEWEST or cash <= 0:
        return None
    growth = _growth(np.asarray(nets, float), cash)
    lots = np.random.default_rng(seed)
    shuffled = np.concatenate([_fall(_grown(lots.permuted(rows, axis=1))) for rows in _rows(growth)])
    steps = np.unique(np.linspace(0, len(growth), min(STEPS, len(growth)) + 1).astype(int))
    depths, paths = [], []
    for rows in _rows(growth):
        grown = _grown(lots.choice(growth, size=rows.shape))
        depths.append(_fall(grown))
        paths.append(cash * grown[:, steps])
    drawn, path = np.concatenate(depths), np.concatenate(paths)
    return Luck(
        draws=DRAWS,
        seed=seed,
        quantiles=QUANTILES,
        shuffled_drawdown=_quantiles(shuffled),
        drawn_drawdown=_quantiles(drawn),
        drawn_equity=_quantiles(path[:, -1]),
        loss=float((path[:, -1] < cash).mean()),
        half=float((drawn >= 0.5).mean()),
        steps=tuple(steps.tolist()),
        fan=tuple(map(tuple, np.quantile(path, QUANTILES, axis=0).tolist())),
    )


def _growth(nets: Floats, cash: float) -> Floats:
    """What each trade multiplied the equity of all closed before it by; never below nothing."""
    before = cash + np.concatenate([[0.0], np.cumsum(nets)[:-1]])
    share = np.divide(nets, before, out=np.full_like(nets, -1.0), where=before > 0)
    found: Floats = np.maximum(1 + share, 0.0)
    return found


def _rows(growth: Floats) -> Iterator[Floats]:
    """The same trades in as many rows as there are draws, in parts that fit into memory."""
    most = max(_AT_ONCE // len(growth), 1)
    for done in range(0, DRAWS, most):
        yield np.tile(growth, (min(most, DRAWS - done), 1))


def _grown(growth: Floats) -> Floats:
    found: Floats = np.concatenate([np.ones((len(growth), 1)), np.cumprod(growth, axis=1)], axis=1)
    return found


def _fall(grown: Floats) -> Floats:
    """The deepest fall of each row, as a fraction of its peak."""
    peaks = np.maximum.accumulate(grown, axis=1)
    found: Floats = (1 - grown / peaks).max(axis=1)
    return found


def _quantiles(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist())
