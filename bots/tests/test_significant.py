"""No series of a coin collapses, however low its price."""

from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bots.domain.prompt_market import instrument
from bots.domain.significant import at_tick, grains, short, steps
from bots.tests import builders, prompts
from bots.tests.builders import d

pytestmark = pytest.mark.requirement("BOT-05")
# Price and tick of cheap coins as venues list them, and of dear ones.
MARKETS = [
    ("0.00001234", "0.00000001"), ("0.0123456", "0.0000001"), ("0.19876", "0.00001"), ("0.00001102", "0.00000001"),
    ("0.000000451", "0.0000000001"), ("2.4231", "0.0001"), ("109432.5", "0.1"), ("4380.25", "0.25"), ("71230", "5"),
]  # fmt: skip
markets = st.sampled_from([(Decimal(price), Decimal(tick)) for price, tick in MARKETS])
away = st.floats(0.5, 2.0, allow_nan=False)


@given(markets, away, away)
@example((Decimal("2.5"), Decimal(1)), 0.6, 1.0)
@example((Decimal(2), Decimal(1)), 0.75, 1.25)
def test_two_values_a_tick_apart_are_written_apart(market, one, other):
    price, tick = market
    low, high = sorted((Decimal(repr(float(price) * one)), Decimal(repr(float(price) * other))))
    if high - low < tick:
        high = low + tick

    assert at_tick(low, tick) != at_tick(high, tick)
    assert steps(low, price, tick) < steps(high, price, tick)


@given(markets, st.integers(-10_000, 10_000))
def test_a_price_at_the_tick_is_written_exactly_and_read_back(market, ticks):
    price, tick = market
    at = max(price + ticks * tick, tick)
    at = at // tick * tick

    assert Decimal(at_tick(at, tick)) == at
    last = Decimal(1).scaleb(Decimal(at_tick(price, tick)).as_tuple().exponent)
    assert Decimal(at_tick(price, tick)) + steps(at, price, tick) * last == at


@given(markets, away, away)
def test_what_is_a_grain_apart_is_written_apart(market, one, other):
    price, _ = market
    low, high = sorted((Decimal(repr(one)) * price, Decimal(repr(other)) * price))
    if high - low >= price * Decimal("0.00001"):
        assert grains(low, price) < grains(high, price)


@pytest.mark.parametrize("name", ["PEPE", "SHIB", "DOGE"])
@settings(deadline=None)  # the first example loads the library of indicators
@given(st.lists(st.integers(900, 1500), min_size=40, max_size=60))
def test_no_series_of_a_cheap_coin_collapses(name, ticks):
    """Distinct closes stay distinct in the prompt, and an indicator that moved by a tick does not stand still."""
    price, tick, step = (prompts.COINS | prompts.CHEAP)[name]
    closes = [round(price / 1200 / float(tick)) * float(tick) * count for count in ticks]
    rules = builders.rules(f"{name}/USDT:USDT", tick=d(tick), step=d(step))
    closes = [float(rules.price(close)) for close in closes]
    view = builders.view(rules.price(closes[-1]), symbol=rules.symbol, series={"5m": closes}, rules_=rules)

    told = instrument(view, builders.briefing(view, timeframes=("5m",))).splitlines()

    written = next(row.split()[2:] for row in told if row.startswith("5m close"))
    last = closes[-10:]
    for i in range(10):
        for j in range(i):
            assert (written[i] != written[j]) == (last[i] != last[j])


@pytest.mark.parametrize("name", ["PEPE", "SHIB", "DOGE"])
def test_indicators_of_a_cheap_coin_move(name):
    told = instrument(prompts.coin(name), prompts.six()).splitlines()
    for label, least in (("ema20", 8), ("macd", 8), ("rsi7", 4), ("rsi14", 4)):
        values = next(row.split()[1:] for row in told if row.startswith(label))
        assert len(set(values)) >= least


def test_short_keeps_four_digits():
    assert [short(d(value)) for value in ("81234.567", "0.00012345678", "0", "7.5")] == [
        "81235",
        "0.0001235",
        "0",
        "7.5",
    ]
