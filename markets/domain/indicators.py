"""Indicators through TA-Lib, with their warm-up declared. Whole-series arrays in, whole-series arrays out.

Never across a hole or a NaN: after one NaN TA-Lib's RSI reads 0 for ever. `refusal` says so, and `snapshot.Series`
asks it before anything is computed. A value at a candle depends on it and those before it, never on later ones.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .candles import Candles, Floats, instant

Compute = Callable[[Candles], Floats]


@dataclass(frozen=True, slots=True)
class Indicator:
    """`warmup` is how many candles, itself included, the first value that may be relied on takes."""

    warmup: int
    compute: Compute


def _ta() -> ModuleType:
    # Loaded at the first use: pages read candles through this package too and need no indicator.
    import talib

    return talib


def _ema(period: int) -> Indicator:
    # An exponential average has forgotten its seed to a thousandth after about 3.5 periods.
    return Indicator(4 * period, lambda c: _ta().EMA(c.close, period))


def _wilder(period: int, compute: Compute) -> Indicator:
    # Wilder's smoothing of n forgets like an EMA of 2n - 1.
    return Indicator(8 * period, compute)


def _unless_still(period: int, compute: Compute) -> Compute:
    """NaN where the market did not move at all: TA-Lib says 0 there, which reads as deeply oversold."""

    def moving(candles: Candles) -> Floats:
        still = _ta().MAX(candles.high, period) == _ta().MIN(candles.low, period)
        return np.where(still, np.nan, compute(candles))

    return moving


def _rsi(period: int) -> Indicator:
    return _wilder(period, _unless_still(period, lambda c: _ta().RSI(c.close, period)))


def _macd(part: int) -> Indicator:
    return Indicator(4 * 26 + 9, lambda c: _ta().MACD(c.close, 12, 26, 9)[part])


def _bollinger(part: int) -> Indicator:
    return Indicator(20, lambda c: _ta().BBANDS(c.close, 20, 2.0, 2.0)[part])


def _stochastic(part: int) -> Indicator:
    def slow(candles: Candles) -> Floats:
        return _ta().STOCH(candles.high, candles.low, candles.close, 14, 3, 0, 3, 0)[part]  # type: ignore[no-any-return]

    return Indicator(14 + 3 + 3, _unless_still(14, slow))


def _money_flow(candles: Candles) -> Floats:
    return _ta().MFI(candles.high, candles.low, candles.close, candles.volume, 14)  # type: ignore[no-any-return]


def _sma(period: int) -> Indicator:
    return Indicator(period, lambda c: _ta().SMA(c.close, period))


def _highest(period: int) -> Indicator:
    return Indicator(period, lambda c: _ta().MAX(c.high, period))


def _lowest(period: int) -> Indicator:
    return Indicator(period, lambda c: _ta().MIN(c.low, period))


def _vwap(period: int) -> Indicator:
    """Typical price averaged over `period` candles by volume; NaN where nothing was traded."""

    def rolling(candles: Candles) -> Floats:
        typical = (candles.high + candles.low + candles.close) / 3
        value: Floats = _ta().SUM(typical * candles.volume, period)
        volume: Floats = _ta().SUM(candles.volume, period)
        average = np.full(len(candles), np.nan)
        np.divide(value, volume, out=average, where=volume > 0)
        return average

    return Indicator(period, rolling)


def _volume_ratio(period: int) -> Indicator:
    """Volume over its own average of `period` candles, itself included; NaN where nothing was traded in all of them."""

    def ratio(candles: Candles) -> Floats:
        average: Floats = _ta().SMA(candles.volume, period)
        found = np.full(len(candles), np.nan)
        np.divide(candles.volume, average, out=found, where=average > 0)
        return found

    return Indicator(period, ratio)


def _on_balance(period: int) -> Indicator:
    """Change of the on-balance volume over `period` candles: its level tells only where the series begins."""

    def change(candles: Candles) -> Floats:
        level = _ta().OBV(candles.close, candles.volume)
        return np.concatenate([np.full(period, np.nan), level[period:] - level[:-period]])

    return Indicator(period + 1, change)


INDICATORS: dict[str, Indicator] = {
    "ema_9": _ema(9),
    "ema_20": _ema(20),
    "ema_50": _ema(50),
    "sma_20": _sma(20),
    "sma_50": _sma(50),
    "rsi_7": _rsi(7),
    "rsi_14": _rsi(14),
    "macd": _macd(0),
    "macd_signal": _macd(1),
    "macd_histogram": _macd(2),
    "bollinger_upper": _bollinger(0),
    "bollinger_middle": _bollinger(1),
    "bollinger_lower": _bollinger(2),
    "atr_3": _wilder(3, lambda c: _ta().ATR(c.high, c.low, c.close, 3)),
    "atr_14": _wilder(14, lambda c: _ta().ATR(c.high, c.low, c.close, 14)),
    "natr_14": _wilder(14, lambda c: _ta().NATR(c.high, c.low, c.close, 14)),
    "adx_14": _wilder(28, lambda c: _ta().ADX(c.high, c.low, c.close, 14)),
    "stochastic_k": _stochastic(0),
    "stochastic_d": _stochastic(1),
    "cci_20": Indicator(20, lambda c: _ta().CCI(c.high, c.low, c.close, 20)),
    "mfi_14": Indicator(15, _unless_still(14, _money_flow)),
    "obv_change_20": _on_balance(20),
    "volume_ratio_20": _volume_ratio(20),
    "vwap_20": _vwap(20),
    "highest_20": _highest(20),
    "lowest_20": _lowest(20),
}

# For charts alone: what answers may name is part of what models are told. Its zero lies where the series begins.
LEVELS: dict[str, Indicator] = {"obv": Indicator(1, lambda c: _ta().OBV(c.close, c.volume))}

LONGEST_WARMUP = max(indicator.warmup for indicator in INDICATORS.values())


def refusal(candles: Candles, step: int) -> str:
    """Why nothing may be computed over these candles of `step` ms, in words; empty where it may."""
    breaks = np.flatnonzero(np.diff(candles.time) != step)
    if len(breaks):
        after = instant(int(candles.time[breaks[-1]]))
        return f"There is a hole after the candle of {after:%Y-%m-%d %H:%M} UTC: nothing is computed across it."
    # A sum is finite only where all its parts are.
    if not all(np.isfinite(column.sum()) for column in candles.columns()[1:]):
        return "A price or a volume is no finite number: nothing is computed on it."
    return ""


def too_short(name: str, candles: Candles) -> str:
    """Why an indicator has no value at the newest of these candles, in words; empty where they are enough."""
    needed = (INDICATORS.get(name) or LEVELS[name]).warmup
    if len(candles) >= needed:
        return ""
    return f"It takes {needed} candles without a hole, and there are {len(candles)}."


def compute(name: str, candles: Candles) -> Floats:
    """The values of one indicator, as long as `candles`; NaN before its warm-up has passed.

    Raises KeyError for an unknown name.
    """
    indicator = INDICATORS.get(name) or LEVELS[name]
    values = np.full(len(candles), np.nan)
    if len(candles) >= indicator.warmup:
        values = indicator.compute(candles)
        values[: indicator.warmup - 1] = np.nan
    return values
