from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain import simulation
from markets.domain.candles import TIMEFRAMES, Candles, bad_rows, resample
from markets.domain.indicators import compute
from markets.domain.simulation import COINS, START, STRETCH

DAY = 24 * 60
SEEDS = st.integers(-(2**63), 2**63 - 1)


def walked(seed, coin, minute, count, opens_at=None) -> list[simulation.Minute]:
    price = opens_at or round(COINS[coin].price * 10 ** COINS[coin].decimals)
    return list(simulation.walk(seed, coin, minute, price, count))


def market(seed, first, days) -> list[Candles]:
    """One-minute candles of all coins, in ticks and lots."""
    told = [[] for _ in COINS]
    for minute in range(first, first + days * DAY, STRETCH):
        for coin in range(len(COINS)):
            last = told[coin][-1].close if told[coin] else None
            opens_at = simulation.opening(seed, coin, minute, last) if last else None
            told[coin] += walked(seed, coin, minute, STRETCH, opens_at)
    return [Candles.of([(c.minute * 60_000, *c[1:]) for c in coin]) for coin in told]


@pytest.mark.requirement("MKT-06")
@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(0, 10**6))
def test_the_same_seed_gives_the_same_market(seed, coin, later):
    first = walked(seed, coin, START + later, 30)
    simulation._stretch.cache_clear()

    assert walked(seed, coin, START + later, 30) == first


@pytest.mark.requirement("MKT-06")
@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(1, 500))
def test_it_can_be_taken_up_at_any_minute_from_the_last_close(seed, coin, cut):
    whole = walked(seed, coin, START - 100, 600)
    resumed_at = simulation.opening(seed, coin, START - 100 + cut, whole[cut - 1].close)

    assert resumed_at == whole[cut].open
    assert walked(seed, coin, START - 100 + cut, 600 - cut, resumed_at) == whole[cut:]


def test_other_seeds_give_other_markets():
    closes = {walked(seed, 0, START, 60)[-1].close for seed in range(20)}

    assert len(closes) > 15


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(0, 10**7))
def test_every_candle_is_sane(seed, coin, later):
    candles = Candles.of([(c.minute * 60_000, *c[1:]) for c in walked(seed, coin, START + later, 800)])

    assert bad_rows(candles, 60_000) == []


def test_no_market_ends_at_zero():
    assert walked(1, 5, START, 3, opens_at=1)[-1].close >= 1


@pytest.mark.requirement("MKT-06")
@pytest.mark.parametrize("seed", [1, 7, 42])
def test_it_moves_like_a_market(seed):
    hours = [resample(coin, 60_000, TIMEFRAMES["1h"]) for coin in market(seed, START, 20)]
    returns = np.array([np.diff(np.log(coin.close)) for coin in hours])

    yearly = returns.std(axis=1) * np.sqrt(365 * 24)
    correlation = np.corrcoef(returns)

    assert (yearly > 0.35).all()
    assert (yearly < 1.3).all()
    assert 0.5 < correlation[np.triu_indices(6, 1)].mean() < 0.9
    kurtosis = ((returns - returns.mean()) ** 4).mean() / (returns.var() ** 2)
    assert kurtosis > 3.5


@pytest.mark.parametrize("seed", [1, 2, 3, 7, 42])
def test_whoever_watches_the_start_sees_something_to_trade(seed):
    coins = [resample(coin, 60_000, TIMEFRAMES["5m"]) for coin in market(seed, START - 3 * DAY, 4)]
    first_hour = slice(3 * 288, 3 * 288 + 12)

    trends = sum(bool((compute("adx_14", coin)[first_hour] > 20).any()) for coin in coins)
    stretched = sum(bool((np.abs(compute("rsi_14", coin)[first_hour] - 50) > 15).any()) for coin in coins)

    assert trends >= 3
    assert stretched >= 3


def test_funding_follows_the_premium_and_changes():
    settlements = [START + i * simulation.FUNDING_MINUTES for i in range(30)]
    rates = [simulation.funding_rate(7, 0, minute) for minute in settlements]

    premiums = [np.mean([simulation.premium(7, 0, m - 480 + i) for i in range(480)]) for m in settlements]

    assert len(set(rates)) == 30
    assert all(abs(rate) < Decimal("0.003") for rate in rates)
    np.testing.assert_allclose([float(rate) for rate in rates], premiums, atol=2e-5)
