"""A market that does not exist: six correlated coins with regimes, jumps and funding, from a seed.

What a minute does to a price is a pure function of (seed, minute): counter-based randomness, so that any
minute can be had without those before it. Only the level is carried from candle to candle. Nothing here is
meant to forecast a real market; it is meant to give strategies trends, ranges and shocks to be wrong about.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .candles import Floats

STRETCH = 360
FUNDING_MINUTES = 480
# 2025-01-06 00:00 UTC in minutes: where every simulated market starts to be traded.
START = 28_935_360
_YEAR = 365 * 24 * 60
_MASK = (1 << 64) - 1
# The level is drawn back to where it began with a half-life of 60 days, so that no market ends at zero.
_PULL = math.log(2) / (60 * 24 * 60)
_CALM, _WILD = 0.55, 2.0


@dataclass(frozen=True, slots=True)
class Coin:
    """`volatility` is that of the noise per year, `loading` the share of the market in it (a correlation).

    `decimals` are those of the price, `lots` those of the volume; `turnover` is a usual minute in dollars.
    """

    base: str
    price: float
    decimals: int
    lots: int
    volatility: float
    loading: float
    turnover: float

    @property
    def symbol(self) -> str:
        return f"{self.base}/USDT:USDT"

    @property
    def sigma(self) -> float:
        return self.volatility / math.sqrt(_YEAR)

    def money(self, ticks: int) -> Decimal:
        return Decimal(ticks).scaleb(-self.decimals)

    def ticks(self, price: Decimal) -> int:
        return int(price.scaleb(self.decimals))


COINS = (
    Coin("BTC", 95_000, 1, 3, 0.40, 0.92, 6e6),
    Coin("ETH", 3_300, 2, 3, 0.52, 0.90, 4e6),
    Coin("SOL", 190, 2, 2, 0.62, 0.86, 1.5e6),
    Coin("BNB", 690, 2, 2, 0.46, 0.84, 5e5),
    Coin("XRP", 2.3, 4, 1, 0.60, 0.82, 9e5),
    Coin("DOGE", 0.34, 5, 0, 0.68, 0.84, 7e5),
)


class Minute(NamedTuple):
    """One candle in whole ticks and lots."""

    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def walk(seed: int, coin: int, minute: int, opens_at: int, count: int) -> Iterator[Minute]:
    """`count` candles of `COINS[coin]` from `minute` (UTC minutes) on, the first opening at `opens_at` ticks."""
    level = COINS[coin].price * 10 ** COINS[coin].decimals
    lot = 10 ** (COINS[coin].decimals + COINS[coin].lots)
    close = 0
    for now, (gap, ticks, growth, upward, downward, turnover) in _factors(seed, coin, minute, count):
        price = max(1, round(close * gap) + ticks) if close else opens_at
        close = max(1, round(price * growth * (level / price) ** _PULL))
        high = max(price, close, round(price * upward))
        low = max(1, min(price, close, round(price * downward)))
        yield Minute(now, price, high, low, close, max(1, round(turnover * lot / close)))


def _factors(seed: int, coin: int, minute: int, count: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """What happens to a coin in each minute: gap, gap in ticks, growth, extremes, turnover."""
    now, end = minute, minute + count
    while now < end:
        moves, start = _stretch(seed, now // STRETCH), now % STRETCH
        stop = min(STRETCH, start + end - now)
        kinds = (moves.gap, moves.gap_ticks, moves.growth, moves.upward, moves.downward, moves.turnover)
        yield from enumerate(zip(*(kind[coin][start:stop] for kind in kinds), strict=True), now)
        now += stop - start


def opening(seed: int, coin: int, minute: int, close: int) -> int:
    """The first price of `minute` in ticks, after a candle that closed at `close`: mostly the same."""
    moves, at = _stretch(seed, minute // STRETCH), minute % STRETCH
    return max(1, round(close * moves.gap[coin][at]) + moves.gap_ticks[coin][at])


def premium(seed: int, coin: int, minute: int) -> float:
    """By which fraction the perpetual trades above its index at the start of `minute`."""
    return float(_stretch(seed, minute // STRETCH).premium[coin][minute % STRETCH])


def funding_rate(seed: int, coin: int, minute: int) -> Decimal:
    """The rate settled at `minute`, a multiple of eight hours: the average premium of the eight hours before.

    Without the band around 0.01 % in which large exchanges hold it: a market that is watched for an hour
    should not show one rate only.
    """
    before = range(minute - FUNDING_MINUTES, minute, 5)
    average = sum(premium(seed, coin, at) for at in before) / len(before)
    return round(Decimal(average), 8)


# --- What happens in six hours ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moves:
    """Factors on a price per minute, as lists by coin: growth over the minute, extremes, gap before it."""

    growth: list[list[float]]
    upward: list[list[float]]
    downward: list[list[float]]
    gap: list[list[float]]
    gap_ticks: list[list[int]]
    turnover: list[list[float]]
    premium: list[list[float]]


@dataclass(frozen=True, slots=True)
class _Regime:
    """Per minute: drift in standard deviations, a factor on the noise, and how much it swings to and fro."""

    drift: Floats
    noise: Floats
    swing: Floats


@lru_cache(maxsize=8)
def _stretch(seed: int, index: int) -> _Moves:
    draws = _Draws(seed, index)
    market = _market_regime(draws, index)
    shared = _t4(draws.take(STRETCH)) * market.noise + market.drift
    shared_swing = _steps(_wave(draws, 30) * market.swing)
    lurch = _jumps(draws, market.noise)
    coins = [_coin_moves(coin, draws, market, shared, shared_swing, lurch, index) for coin in COINS]
    columns: Any = (list(column) for column in zip(*coins, strict=True))
    return _Moves(*columns)


def _coin_moves(
    coin: Coin, draws: "_Draws", market: _Regime, shared: Floats, swing: Floats, lurch: Floats, index: int
) -> tuple[list[float], ...]:
    own = _own_regime(draws)
    apart = math.sqrt(1 - coin.loading**2)
    move = coin.loading * (shared + 7 * swing) + apart * (_t4(draws.take(STRETCH)) * own.noise + own.drift)
    move = coin.sigma * _by_the_hour(index) * (move + 6 * _steps(_wave(draws, 25) * own.swing))
    jump = coin.sigma * (coin.loading * lurch + _jumps(draws, market.noise))
    gaps = draws.take(STRETCH) < 0.5
    move += np.where(gaps, 0, jump)
    spread = coin.sigma * np.hypot(coin.loading * market.noise, apart * own.noise) * _by_the_hour(index)
    upper, lower = (-2 * spread**2 * np.log(draws.take(STRETCH)) for _ in range(2))
    # The extremes of a Brownian path between two known ends.
    up, down = (move + np.sqrt(move**2 + upper)) / 2, (move - np.sqrt(move**2 + lower)) / 2
    busy = np.exp(0.6 * _normal(draws) - 0.18) * (0.5 + np.abs(move) / spread) * market.noise**0.8
    turnover = coin.turnover * _by_the_hour(index) ** 2 * busy
    ticks = np.searchsorted([0.1, 0.9], draws.take(STRETCH)) - 1
    basis = 0.0001 + 0.0003 * _wave(draws, 60) + 0.0015 * coin.loading * market.drift
    factors = (np.exp(move), np.exp(up), np.exp(down), np.exp(np.where(gaps, jump, 0)), ticks, turnover, basis)
    return tuple(values.tolist() for values in factors)


class _Draws:
    """Uniform numbers above 0 and below 1 of one stretch, in a fixed order."""

    def __init__(self, seed: int, index: int) -> None:
        # Raw bits and own transforms: numpy promises to keep these, not the numbers of its distributions.
        self._bits = np.random.Philox(key=np.array([seed & _MASK, index & _MASK], dtype=np.uint64))

    def take(self, count: int) -> Floats:
        raw: NDArray[np.uint64] = self._bits.random_raw(count)
        uniform: Floats = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54
        return uniform


def _t4(uniform: Floats) -> Floats:
    """Student's t with four degrees of freedom at unit variance, by its closed inverse, without the far end.

    Source: W. T. Shaw, "Sampling Student's T distribution - use of the inverse cumulative distribution
    function", 2006.
    """
    alpha = np.sqrt(4 * uniform * (1 - uniform))
    root = np.sqrt(np.maximum(np.cos(np.arccos(np.minimum(alpha, 1)) / 3) / alpha - 1, 0))
    values: Floats = np.sign(uniform - 0.5) * 2 * root / math.sqrt(2)
    return np.clip(values, -12, 12)


def _normal(draws: _Draws) -> Floats:
    """Box and Muller, 1958."""
    values: Floats = np.sqrt(-2 * np.log(draws.take(STRETCH))) * np.cos(2 * math.pi * draws.take(STRETCH))
    return values


def _wave(draws: _Draws, spacing: int) -> Floats:
    """A smooth path between -1 and 1 through random heights every `spacing` minutes, zero at both ends."""
    heights = 2 * draws.take(math.ceil(STRETCH / spacing) + 1) - 1
    heights[0] = heights[-1] = 0
    place = np.arange(STRETCH) / spacing
    left = place.astype(np.int64)
    weight = (1 - np.cos(math.pi * (place - left))) / 2
    path: Floats = heights[left] * (1 - weight) + heights[left + 1] * weight
    return path


def _steps(path: Floats) -> Floats:
    """What a path that starts and ends at zero adds in each minute."""
    return np.diff(path, append=0.0)


def _jumps(draws: _Draws, noise: Floats) -> Floats:
    """Rare shocks in standard deviations of a minute: one in two days, more in turbulence."""
    happens = draws.take(STRETCH) < noise**2 / 2880
    size = 8 + 14 * draws.take(STRETCH)
    return np.where(happens, np.where(draws.take(STRETCH) < 0.5, -size, size), 0)


def _by_the_hour(index: int) -> Floats:
    """Quiet while Asia sleeps, busy when New York opens."""
    hour = (index * STRETCH + np.arange(STRETCH)) / 60 % 24
    factor: Floats = 1 + 0.22 * np.cos(2 * math.pi * (hour - 15) / 24)
    return factor


def _segments(draws: _Draws) -> list[tuple[slice, float, float]]:
    """Three parts of the six hours, each of an hour at least, with two draws each: which kind, how strong."""
    cuts = np.sort(draws.take(2))
    ends = [0, 60 + int(180 * cuts[0]), 120 + int(180 * cuts[1]), STRETCH]
    kinds, strengths = draws.take(3).tolist(), draws.take(3).tolist()
    return [(slice(ends[i], ends[i + 1]), kinds[i], strengths[i]) for i in range(3)]


def _market_regime(draws: _Draws, index: int) -> _Regime:
    regime = _Regime(np.zeros(STRETCH), np.ones(STRETCH), np.zeros(STRETCH))
    segments = _segments(draws)
    if START // STRETCH - 1 <= index <= START // STRETCH:
        segments = _opening_hours(segments, index)
    for part, kind, strength in segments:
        if kind < 0.45:
            regime.drift[part] = (0.1 + 0.09 * strength) * (-1 if kind < 0.225 else 1)
            regime.noise[part] = 0.85
        elif kind < 0.8:
            regime.noise[part] = _CALM
            regime.swing[part] = _tapered(part)
        else:
            regime.noise[part] = _WILD - 0.5 * strength
    return regime


def _opening_hours(segments: list[tuple[slice, float, float]], index: int) -> list[tuple[slice, float, float]]:
    """Whoever watches a fresh market sees a trend that has begun, and then a range: something to trade."""
    kind = 0.1 if segments[0][2] < 0.5 else 0.4
    if index == START // STRETCH - 1:
        return [(slice(0, 200), 0.6, 0.5), (slice(200, STRETCH), 0.4, 0.6)]
    return [(slice(0, 70), 0.4, 0.6), (slice(70, 190), 0.6, 0.5), (slice(190, STRETCH), kind, 0.5)]


def _own_regime(draws: _Draws) -> _Regime:
    """What a coin does apart from the market: mostly nothing, at times a trend or a range of its own."""
    regime = _Regime(np.zeros(STRETCH), np.ones(STRETCH), np.zeros(STRETCH))
    for part, kind, strength in _segments(draws):
        if kind < 0.3:
            regime.drift[part] = (0.1 + 0.12 * strength) * (-1 if kind < 0.15 else 1)
        elif kind < 0.6:
            regime.noise[part] = 0.7
            regime.swing[part] = _tapered(part)
    return regime


def _tapered(part: slice) -> Floats:
    """Zero at both ends of a segment, one in between after a quarter of an hour."""
    length = part.stop - part.start
    edge = np.minimum(np.arange(length), length - 1 - np.arange(length)) / 15
    taper: Floats = np.minimum(edge, 1.0)
    return taper
