import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.candle_files import contents, read_candles
from markets.domain import indicators
from markets.domain.candles import Candles
from markets.domain.indicators import INDICATORS, LONGEST_WARMUP, compute
from markets.domain.snapshot import Series

from . import samples

MARKET = samples.candles(700, "5m", seed=3)


# --- An independent reference: the textbook formulas, one candle after the other ---------------------------


def _ema(values, period, seed_from=0):
    out = np.full(len(values), np.nan)
    out[seed_from + period - 1] = values[seed_from : seed_from + period].mean()
    for i in range(seed_from + period, len(values)):
        out[i] = out[i - 1] + 2 / (period + 1) * (values[i] - out[i - 1])
    return out


def _wilder(values, period, first):
    out = np.full(len(values), np.nan)
    out[first + period - 1] = values[first : first + period].mean()
    for i in range(first + period, len(values)):
        out[i] = (out[i - 1] * (period - 1) + values[i]) / period
    return out


def _rolling(values, period, function):
    out = np.full(len(values), np.nan)
    for i in range(period - 1, len(values)):
        out[i] = function(values[i - period + 1 : i + 1])
    return out


def _rsi(c, period):
    change = np.diff(c.close, prepend=np.nan)
    gain = _wilder(np.where(change > 0, change, 0.0), period, 1)
    loss = _wilder(np.where(change < 0, -change, 0.0), period, 1)
    return 100 * gain / (gain + loss)


def _true_range(c):
    before = np.concatenate([[np.nan], c.close[:-1]])
    return np.fmax(c.high, before) - np.fmin(c.low, before)


def _macd(c):
    line = _ema(c.close, 12) - _ema(c.close, 26)
    return line, _ema(line, 9, seed_from=25)


def _adx(c, period):
    up, down = np.diff(c.high, prepend=np.nan), -np.diff(c.low, prepend=np.nan)
    plus = _wilder(np.where((up > down) & (up > 0), up, 0.0), period, 1)
    minus = _wilder(np.where((down > up) & (down > 0), down, 0.0), period, 1)
    return _wilder(100 * np.abs(plus - minus) / (plus + minus), period, period)


def _stochastic(c):
    high, low = _rolling(c.high, 14, np.max), _rolling(c.low, 14, np.min)
    slow = _rolling(100 * (c.close - low) / (high - low), 3, np.mean)
    return slow, _rolling(slow, 3, np.mean)


def _cci(c):
    typical = (c.high + c.low + c.close) / 3
    mean = _rolling(typical, 20, np.mean)
    deviation = _rolling(typical, 20, lambda w: np.abs(w - w.mean()).mean())
    return (typical - mean) / (0.015 * deviation)


def _mfi(c):
    typical = (c.high + c.low + c.close) / 3
    change = np.diff(typical, prepend=np.nan)
    flow = typical * c.volume
    up = _rolling(np.where(change > 0, flow, 0.0), 14, np.sum)
    down = _rolling(np.where(change < 0, flow, 0.0), 14, np.sum)
    return 100 * up / (up + down)


def _vwap(c):
    typical = (c.high + c.low + c.close) / 3
    return _rolling(typical * c.volume, 20, np.sum) / _rolling(c.volume, 20, np.sum)


def _on_balance(c):
    return _rolling(np.sign(np.diff(c.close, prepend=np.nan)) * c.volume, 20, np.sum)


REFERENCE = {
    "ema_9": lambda c: _ema(c.close, 9),
    "ema_20": lambda c: _ema(c.close, 20),
    "ema_50": lambda c: _ema(c.close, 50),
    "sma_20": lambda c: _rolling(c.close, 20, np.mean),
    "sma_50": lambda c: _rolling(c.close, 50, np.mean),
    "rsi_7": lambda c: _rsi(c, 7),
    "rsi_14": lambda c: _rsi(c, 14),
    "macd": lambda c: _macd(c)[0],
    "macd_signal": lambda c: _macd(c)[1],
    "macd_histogram": lambda c: _macd(c)[0] - _macd(c)[1],
    "bollinger_upper": lambda c: _rolling(c.close, 20, np.mean) + 2 * _rolling(c.close, 20, np.std),
    "bollinger_middle": lambda c: _rolling(c.close, 20, np.mean),
    "bollinger_lower": lambda c: _rolling(c.close, 20, np.mean) - 2 * _rolling(c.close, 20, np.std),
    "atr_3": lambda c: _wilder(_true_range(c), 3, 1),
    "atr_14": lambda c: _wilder(_true_range(c), 14, 1),
    "natr_14": lambda c: 100 * _wilder(_true_range(c), 14, 1) / c.close,
    "adx_14": lambda c: _adx(c, 14),
    "stochastic_k": lambda c: _stochastic(c)[0],
    "stochastic_d": lambda c: _stochastic(c)[1],
    "cci_20": _cci,
    "mfi_14": _mfi,
    "obv_change_20": _on_balance,
    "volume_ratio_20": lambda c: c.volume / _rolling(c.volume, 20, np.mean),
    "vwap_20": _vwap,
    "highest_20": lambda c: _rolling(c.high, 20, np.max),
    "lowest_20": lambda c: _rolling(c.low, 20, np.min),
}


@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", INDICATORS)
def test_values_agree_with_the_textbook_once_warmed_up(name):
    ours, reference = compute(name, MARKET), REFERENCE[name](MARKET)
    start = INDICATORS[name].warmup - 1

    np.testing.assert_allclose(ours[start:], reference[start:], rtol=1e-6, atol=1e-6)


@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", INDICATORS)
def test_nothing_is_said_before_the_warm_up(name):
    warmup = INDICATORS[name].warmup

    values = compute(name, MARKET)

    assert len(values) == len(MARKET)
    assert np.isnan(values[: warmup - 1]).all()
    assert not np.isnan(values[warmup - 1 :]).any()
    assert np.isnan(compute(name, MARKET[: warmup - 1])).all()
    assert len(compute(name, MARKET[:0])) == 0


@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", INDICATORS)
def test_after_the_warm_up_it_hardly_matters_where_the_series_began(name):
    warmup = INDICATORS[name].warmup
    span = MARKET.close.std()

    late, early = compute(name, MARKET[300 - warmup + 1 :])[warmup - 1 :], compute(name, MARKET)[300:]

    np.testing.assert_allclose(late, early, rtol=0.01, atol=0.01 * span)


@pytest.mark.requirement("BKT-06")
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 699), st.sampled_from(sorted(INDICATORS)))
def test_cutting_off_the_future_changes_no_digit_of_the_past(cut, name):
    np.testing.assert_array_equal(compute(name, MARKET[:cut]), compute(name, MARKET)[:cut])


@pytest.mark.parametrize("name", ["rsi_7", "rsi_14", "stochastic_k", "stochastic_d", "mfi_14", "vwap_20"])
def test_a_market_that_stands_still_is_not_called_oversold(name):
    still = np.full(300, 42.0)
    times = samples.candles(300).time

    values = compute(name, Candles(times, still, still, still, still, np.zeros(300)))

    assert np.isnan(values).all()


def test_the_longest_warm_up_is_the_longest_of_all():
    assert max(indicator.warmup for indicator in INDICATORS.values()) == LONGEST_WARMUP


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError):
        indicators.compute("moon_phase", MARKET)


# --- Real candles: TA-Lib called directly, and pandas-ta-classic -------------------------------------------


TALIB_DIRECT = {
    "ema_9": lambda ta, c: ta.EMA(c.close, 9),
    "ema_20": lambda ta, c: ta.EMA(c.close, 20),
    "ema_50": lambda ta, c: ta.EMA(c.close, 50),
    "sma_20": lambda ta, c: ta.SMA(c.close, 20),
    "sma_50": lambda ta, c: ta.SMA(c.close, 50),
    "rsi_7": lambda ta, c: ta.RSI(c.close, 7),
    "rsi_14": lambda ta, c: ta.RSI(c.close, 14),
    "macd": lambda ta, c: ta.MACD(c.close)[0],
    "macd_signal": lambda ta, c: ta.MACD(c.close)[1],
    "macd_histogram": lambda ta, c: ta.MACD(c.close)[2],
    "bollinger_upper": lambda ta, c: ta.BBANDS(c.close, 20, 2, 2)[0],
    "bollinger_middle": lambda ta, c: ta.BBANDS(c.close, 20, 2, 2)[1],
    "bollinger_lower": lambda ta, c: ta.BBANDS(c.close, 20, 2, 2)[2],
    "atr_3": lambda ta, c: ta.ATR(c.high, c.low, c.close, 3),
    "atr_14": lambda ta, c: ta.ATR(c.high, c.low, c.close, 14),
    "natr_14": lambda ta, c: ta.NATR(c.high, c.low, c.close, 14),
    "adx_14": lambda ta, c: ta.ADX(c.high, c.low, c.close, 14),
    "stochastic_k": lambda ta, c: ta.STOCH(c.high, c.low, c.close, 14, 3, 0, 3, 0)[0],
    "stochastic_d": lambda ta, c: ta.STOCH(c.high, c.low, c.close, 14, 3, 0, 3, 0)[1],
    "cci_20": lambda ta, c: ta.CCI(c.high, c.low, c.close, 20),
    "mfi_14": lambda ta, c: ta.MFI(c.high, c.low, c.close, c.volume, 14),
    "obv": lambda ta, c: ta.OBV(c.close, c.volume),
}
PANDAS_TA = {
    "ema_9": lambda ta, f: ta.ema(f.close, 9, talib=False),
    "ema_20": lambda ta, f: ta.ema(f.close, 20, talib=False),
    "ema_50": lambda ta, f: ta.ema(f.close, 50, talib=False),
    "sma_20": lambda ta, f: ta.sma(f.close, 20, talib=False),
    "sma_50": lambda ta, f: ta.sma(f.close, 50, talib=False),
    "rsi_7": lambda ta, f: ta.rsi(f.close, 7, talib=False),
    "rsi_14": lambda ta, f: ta.rsi(f.close, 14, talib=False),
    "macd": lambda ta, f: ta.macd(f.close, talib=False).iloc[:, 0],
    "macd_histogram": lambda ta, f: ta.macd(f.close, talib=False).iloc[:, 1],
    "macd_signal": lambda ta, f: ta.macd(f.close, talib=False).iloc[:, 2],
    "bollinger_lower": lambda ta, f: ta.bbands(f.close, 20, 2, ddof=0, talib=False).iloc[:, 0],
    "bollinger_middle": lambda ta, f: ta.bbands(f.close, 20, 2, ddof=0, talib=False).iloc[:, 1],
    "bollinger_upper": lambda ta, f: ta.bbands(f.close, 20, 2, ddof=0, talib=False).iloc[:, 2],
    "atr_3": lambda ta, f: ta.atr(f.high, f.low, f.close, 3, talib=False),
    "atr_14": lambda ta, f: ta.atr(f.high, f.low, f.close, 14, talib=False),
    "natr_14": lambda ta, f: ta.natr(f.high, f.low, f.close, 14, talib=False),
    "adx_14": lambda ta, f: ta.adx(f.high, f.low, f.close, 14, talib=False).iloc[:, 0],
    "stochastic_k": lambda ta, f: ta.stoch(f.high, f.low, f.close, 14, 3, 3, talib=False).iloc[:, 0],
    "stochastic_d": lambda ta, f: ta.stoch(f.high, f.low, f.close, 14, 3, 3, talib=False).iloc[:, 1],
    "cci_20": lambda ta, f: ta.cci(f.high, f.low, f.close, 20, talib=False),
    "mfi_14": lambda ta, f: ta.mfi(f.high, f.low, f.close, f.volume, 14, talib=False),
    "obv": lambda ta, f: ta.obv(f.close, f.volume, talib=False),
}


@pytest.fixture(scope="module")
def real() -> Candles:
    """A thousand real hours of Bitcoin in 2024, with their moves; skips where there is no market data."""
    folder = (Path(__file__).parents[2] / os.environ.get("MARKET_DATA", "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip("There is no market data here; MARKET_DATA names its folder.")
    pytest.importorskip("pyarrow")
    path = folder / "binanceusdm-1h-2023-2024/binanceusdm/BTC_USDT_USDT-1h.parquet"
    return read_candles(contents(path), datetime(2026, 1, 1, tzinfo=UTC))[9000:10000]


@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", TALIB_DIRECT)
def test_on_real_candles_every_value_is_that_of_talib(real, name):
    import talib

    start = indicators.KNOWN[name].warmup - 1

    np.testing.assert_array_equal(compute(name, real)[start:], TALIB_DIRECT[name](talib, real)[start:])


@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", PANDAS_TA)
def test_on_real_candles_the_values_agree_with_another_implementation(real, name):
    pandas = pytest.importorskip("pandas")
    peer = pytest.importorskip("pandas_ta_classic")
    frame = pandas.DataFrame({part: getattr(real, part) for part in ("open", "high", "low", "close", "volume")})

    theirs = PANDAS_TA[name](peer, frame).to_numpy(dtype=float)

    # Peers seed their averages differently; by three warm-ups that is forgotten.
    start = 3 * indicators.KNOWN[name].warmup
    ours, theirs = compute(name, real)[start:], theirs[start:]
    offset = ours[0] - theirs[0] if name == "obv" else 0.0
    np.testing.assert_allclose(
        ours, theirs + offset, rtol=1e-3 if "adx" in name else 1e-5, atol=1e-4 * real.close[0] / 1e4
    )


# --- Never on data with holes


@pytest.mark.requirement("MKT-05")
@pytest.mark.requirement("MKT-07")
@pytest.mark.parametrize("name", indicators.KNOWN)
def test_nothing_is_computed_across_a_hole_or_a_nan(name):
    broken = Series("5m", samples.without(MARKET, 400))
    with pytest.raises(ValueError, match=r"hole after the candle of 2025-01-02 09:15 UTC"):
        broken.indicator(name)
    spoilt = Candles(*(column.copy() for column in MARKET.columns()))
    spoilt.close[350] = np.nan
    with pytest.raises(ValueError, match="no finite number"):
        Series("5m", spoilt).indicator(name)
    assert Series("5m", MARKET).indicator(name) is not None


def test_what_is_too_short_says_how_many_candles_it_takes():
    assert indicators.too_short("rsi_14", MARKET) == ""
    assert indicators.too_short("rsi_14", MARKET[:40]) == "It takes 112 candles without a hole, and there are 40."


@pytest.mark.requirement("MKT-07")
def test_a_series_computes_each_indicator_once(monkeypatch):
    asked = []
    family = indicators.family
    monkeypatch.setattr(indicators, "family", lambda name, candles: asked.append(name) or family(name, candles))
    series = Series("5m", MARKET)

    assert series.indicator("rsi_14") is series.indicator("rsi_14")
    assert series.indicator("macd_histogram") is not series.indicator("macd")
    assert asked == ["rsi_14", "macd_histogram"]
