"""Indicators through TA-Lib, with their warm-up declared. Whole-series arrays in, whole-series arrays out.

Never across a hole or a NaN: after one NaN TA-Lib's RSI reads 0 for ever. `refusal` says so, and `snapshot.Series`
asks it before anything is computed. A value at a candle depends on it and those before it, never on later ones.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType

import numpy as np

from .candles import Candles, Floats, instant

Compute = Callable[[Candles], tuple[Floats, ...]]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One or several that are computed at once: `compute` gives their arrays in the order of `names`.

    `warmup` is how many candles, itself included, the first value that may be relied on takes.
    """

    names: tuple[str, ...]
    warmup: int
    compute: Compute


@cache
def _ta() -> ModuleType:
    # Loaded at the first use: pages read candles through this package too and need no indicator.
    import talib

    return talib


def _one(name: str, warmup: int, compute: Callable[[Candles], Floats]) -> Indicator:
    return Indicator((name,), warmup, lambda c: (compute(c),))


def _ema(period: int) -> Indicator:
    # An exponential average has forgotten its seed to a thousandth after about 3.5 periods.
    return _one(f"ema_{period}", 4 * period, lambda c: _ta().EMA(c.close, period))


def _wilder(name: str, period: int, compute: Callable[[Candles], Floats]) -> Indicator:
    # Wilder's smoothing of n forgets like an EMA of 2n - 1.
    return _one(name, 8 * period, compute)


def _unless_still(period: int, candles: Candles, *found: Floats) -> tuple[Floats, ...]:
    """NaN where the market did not move at all: TA-Lib says 0 there, which reads as deeply oversold."""
    # Hardly ever are there so many candles without a move, and then nothing has to be looked for.
    if np.count_nonzero(candles.high == candles.low) < period:
        return found
    still = _ta().MAX(candles.high, period) == _ta().MIN(candles.low, period)
    return tuple(np.where(still, np.nan, values) for values in found)


def _rsi(period: int) -> Indicator:
    return _wilder(f"rsi_{period}", period, lambda c: _unless_still(period, c, _ta().RSI(c.close, period))[0])


def _macd(candles: Candles) -> tuple[Floats, ...]:
    return _ta().MACD(candles.close, 12, 26, 9)  # type: ignore[no-any-return]


def _bollinger(candles: Candles) -> tuple[Floats, ...]:
    return _ta().BBANDS(candles.close, 20, 2.0, 2.0)  # type: ignore[no-any-return]


def _stochastic(candles: Candles) -> tuple[Floats, ...]:
    return _unless_still(14, candles, *_ta().STOCH(candles.high, candles.low, candles.close, 14, 3, 0, 3, 0))


def _money_flow(candles: Candles) -> Floats:
    flow = _ta().MFI(candles.high, candles.low, candles.close, candles.volume, 14)
    return _unless_still(14, candles, flow)[0]


def _sma(period: int) -> Indicator:
    return _one(f"sma_{period}", period, lambda c: _ta().SMA(c.close, period))


def _highest(period: int) -> Indicator:
    return _one(f"highest_{period}", period, lambda c: _ta().MAX(c.high, period))


def _lowest(period: int) -> Indicator:
    return _one(f"lowest_{period}", period, lambda c: _ta().MIN(c.low, period))


def _vwap(period: int) -> Indicator:
    """Typical price averaged over `period` candles by volume; NaN where nothing was traded."""

    def rolling(candles: Candles) -> Floats:
        typical = (candles.high + candles.low + candles.close) / 3
        value: Floats = _ta().SUM(typical * candles.volume, period)
        volume: Floats = _ta().SUM(candles.volume, period)
        average = np.full(len(candles), np.nan)
        np.divide(value, volume, out=average, where=volume > 0)
        return average

    return _one(f"vwap_{period}", period, rolling)


def _volume_ratio(period: int) -> Indicator:
    """Volume over its own average of `period` candles, itself included; NaN where nothing was traded in all of them."""

    def ratio(candles: Candles) -> Floats:
        average: Floats = _ta().SMA(candles.volume, period)
        found = np.full(len(candles), np.nan)
        np.divide(candles.volume, average, out=found, where=average > 0)
        return found

    return _one(f"volume_ratio_{period}", period, ratio)


def _on_balance(period: int) -> Indicator:
    """Change of the on-balance volume over `period` candles: its level tells only where the series begins."""

    def change(candles: Candles) -> Floats:
        level = _ta().OBV(candles.close, candles.volume)
        return np.concatenate([np.full(period, np.nan), level[period:] - level[:-period]])

    return _one(f"obv_change_{period}", period + 1, change)


def _by_name(indicators: Iterable[Indicator]) -> dict[str, Indicator]:
    return {name: indicator for indicator in indicators for name in indicator.names}


# What answers of models may name, in the order in which they are told.
INDICATORS = _by_name(
    (
        _ema(9),
        _ema(20),
        _ema(50),
        _sma(20),
        _sma(50),
        _rsi(7),
        _rsi(14),
        Indicator(("macd", "macd_signal", "macd_histogram"), 4 * 26 + 9, _macd),
        Indicator(("bollinger_upper", "bollinger_middle", "bollinger_lower"), 20, _bollinger),
        _wilder("atr_3", 3, lambda c: _ta().ATR(c.high, c.low, c.close, 3)),
        _wilder("atr_14", 14, lambda c: _ta().ATR(c.high, c.low, c.close, 14)),
        _wilder("natr_14", 14, lambda c: _ta().NATR(c.high, c.low, c.close, 14)),
        _wilder("adx_14", 28, lambda c: _ta().ADX(c.high, c.low, c.close, 14)),
        Indicator(("stochastic_k", "stochastic_d"), 14 + 3 + 3, _stochastic),
        _one("cci_20", 20, lambda c: _ta().CCI(c.high, c.low, c.close, 20)),
        _one("mfi_14", 15, _money_flow),
        _on_balance(20),
        _volume_ratio(20),
        _vwap(20),
        _highest(20),
        _lowest(20),
    )
)

# For charts alone: what answers may name is part of what models are told. Its zero lies where the series begins.
LEVELS = _by_name((_one("obv", 1, lambda c: _ta().OBV(c.close, c.volume)),))
KNOWN: Mapping[str, Indicator] = {**INDICATORS, **LEVELS}

LONGEST_WARMUP = max(indicator.warmup for indicator in INDICATORS.values())


def refusal(candles: Candles, step: int) -> str:
    """Why nothing may be computed over these candles of `step` ms, in words; empty where it may."""
    time = candles.time
    # Times ascend, so where they span no more than their number there is no hole.
    if len(time) and time[-1] - time[0] != (len(time) - 1) * step:
        after = instant(int(time[np.flatnonzero(np.diff(time) != step)[-1]]))
        return f"There is a hole after the candle of {after:%Y-%m-%d %H:%M} UTC: nothing is computed across it."
    # The sum of products is finite only where all its parts are, and takes a third of the time of five sums.
    total = candles.open @ candles.high + candles.low @ candles.close + candles.volume @ candles.volume
    return "" if math.isfinite(total) else "A price or a volume is no finite number: nothing is computed on it."


def too_short(name: str, candles: Candles) -> str:
    """Why an indicator has no value at the newest of these candles, in words; empty where they are enough."""
    needed = KNOWN[name].warmup
    if len(candles) >= needed:
        return ""
    return f"It takes {needed} candles without a hole, and there are {len(candles)}."


def family(name: str, candles: Candles) -> dict[str, Floats]:
    """The values of an indicator and of those that are computed with it, each as long as `candles`.

    NaN before the warm-up has passed. Raises KeyError for an unknown name.
    """
    indicator = KNOWN[name]
    if len(candles) < indicator.warmup:
        return {each: np.full(len(candles), np.nan) for each in indicator.names}
    before = indicator.warmup - 1
    found = {}
    for each, values in zip(indicator.names, indicator.compute(candles), strict=True):
        values[:before] = np.nan
        found[each] = values
    return found


def compute(name: str, candles: Candles) -> Floats:
    """The values of one indicator, as long as `candles`; NaN before its warm-up has passed.

    Raises KeyError for an unknown name.
    """
    return family(name, candles)[name]
