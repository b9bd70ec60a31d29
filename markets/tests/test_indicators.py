import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain import indicators
from markets.domain.candles import Candles
from markets.domain.indicators import INDICATORS, LONGEST_WARMUP, compute

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
