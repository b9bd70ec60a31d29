from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain.candles import instant
from markets.domain.indicators import INDICATORS
from markets.domain.snapshot import InstrumentView, QuoteView, Series, Snapshot

from . import samples
from .trading import PLAIN, RULES

MARKET = samples.candles(400, "5m")
STEP = timedelta(minutes=5)


def view(now, candles=MARKET, rules=RULES) -> InstrumentView:
    quote = QuoteView.around(rules, Decimal(100), now)
    return InstrumentView(rules, quote, {"5m": Series("5m", candles)}, now)


def opened(row) -> object:
    return instant(int(MARKET.time[row]))


def test_it_shows_the_last_closed_candle_at_the_moment_it_closes():
    seen = view(opened(300) + STEP)

    assert seen.candles("5m", 3).close.tolist() == MARKET.close[298:301].tolist()
    assert seen.candle_age("5m") == 0
    assert seen.indicator("5m", "sma_20") == pytest.approx(MARKET.close[281:301].mean())
    assert seen.indicator("5m", "sma_20", back=1) == pytest.approx(MARKET.close[280:300].mean())


@pytest.mark.requirement("MKT-08")
@given(st.integers(0, 399), st.integers(0, 299_999), st.sampled_from(sorted(INDICATORS)))
def test_the_cursor_sees_neither_an_unclosed_candle_nor_the_future(row, inside, name):
    now = opened(row) + timedelta(milliseconds=inside)
    with_future, without = view(now), view(now, MARKET[:row])

    seen = with_future.candles("5m", 50)

    assert (seen.time + 300_000 <= now.timestamp() * 1000).all()
    assert seen.time.tolist() == without.candles("5m", 50).time.tolist()
    assert with_future.indicator("5m", name) == without.indicator("5m", name)
    assert with_future.candle_age("5m") == without.candle_age("5m")


@given(st.integers(0, 399))
def test_a_future_that_goes_wild_changes_nothing(row):
    wild = MARKET[:]
    for column in wild.columns()[1:]:
        column[row:] = column[row:] * 7

    honest, fooled = view(opened(row)), view(opened(row), wild)

    for name in ("rsi_14", "atr_14", "adx_14", "macd"):
        assert honest.indicator("5m", name) == fooled.indicator("5m", name)


def test_before_the_first_close_there_is_nothing():
    seen = view(opened(0))

    assert len(seen.candles("5m", 10)) == 0
    assert seen.indicator("5m", "sma_20") is None
    assert seen.candle_age("5m") == float("inf")


def test_the_warm_up_says_none_and_not_a_number():
    assert view(opened(100)).indicator("5m", "adx_14") is None
    assert view(opened(300)).indicator("5m", "sma_20", back=290) is None


def test_an_indicator_is_computed_once():
    series = Series("5m", MARKET)

    assert series.indicator("rsi_14") is series.indicator("rsi_14")


def test_ages_are_in_market_time():
    now = opened(300)
    seen = InstrumentView(RULES, QuoteView.around(RULES, Decimal(100), now - timedelta(seconds=90)), {}, now)

    assert seen.price_age == 90
    assert view(opened(300) + timedelta(seconds=42)).candle_age("5m") == 42


def test_a_snapshot_is_asked_by_symbol():
    snapshot = Snapshot(opened(10), {RULES.symbol: view(opened(10))})

    assert RULES.symbol in snapshot
    assert "ETH/USDT:USDT" not in snapshot
    assert snapshot[RULES.symbol].symbol == RULES.symbol


@given(st.decimals("0.1", "100000", places=1), st.decimals(0, "0.01", places=5))
def test_a_quote_of_candles_is_at_the_tick_and_never_inverted(last, half_spread):
    from dataclasses import replace

    rules = replace(RULES, half_spread=half_spread)

    quote = QuoteView.around(rules, last, opened(0), liquidity=Decimal("0.123456789123"))

    assert 0 < quote.bid <= last <= quote.ask
    assert quote.bid % rules.tick == quote.ask % rules.tick == 0
    assert quote.mark == last
    assert quote.liquidity == Decimal("0.12345679")


def test_without_a_spread_bid_and_ask_are_the_price():
    quote = QuoteView.around(PLAIN, Decimal("99.9"), opened(0))

    assert quote.bid == quote.ask == Decimal("99.9")


def test_nothing_of_the_shared_arrays_is_copied():
    seen = view(opened(300))

    assert np.shares_memory(seen.candles("5m", 10).close, MARKET.close)
