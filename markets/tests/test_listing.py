from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest

from markets.domain.candles import Candles
from markets.domain.margin import maintenance_margin
from markets.listing import NotListed, ensure_instrument, tick_of
from markets.models import Instrument
from markets.models.instruments import InstrumentKind
from markets.rules import FOLDER, shipped

from . import samples

EXCHANGES = sorted(path.stem for path in FOLDER.glob("*.json"))
MAJORS = ["ADA", "AVAX", "BCH", "BNB", "BTC", "DOGE", "DOT", "ETH", "LINK", "LTC", "SOL", "XRP"]


@pytest.mark.django_db
def test_a_shipped_instrument_has_the_rules_of_its_exchange():
    bitcoin = ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT:USDT")

    assert (bitcoin.base, bitcoin.quote, bitcoin.settle) == ("BTC", "USDT", "USDT")
    assert bitcoin.kind == InstrumentKind.PERPETUAL
    assert (bitcoin.tick, bitcoin.step) == (Decimal("0.1"), Decimal("0.001"))
    assert (bitcoin.maker_fee, bitcoin.taker_fee) == (Decimal("0.0002"), Decimal("0.0005"))
    assert bitcoin.funding_hours == 8
    assert bitcoin.rules.max_leverage == 125
    assert not bitcoin.assumed


@pytest.mark.django_db
def test_an_instrument_is_made_once_and_never_changed_by_a_later_call():
    first = ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT:USDT")
    Instrument.objects.update(taker_fee=Decimal("0.0003"))

    again = ensure_instrument(exchange="binanceusdm", symbol="BTC/USDT:USDT")

    assert again.pk == first.pk
    assert again.taker_fee == Decimal("0.0003")


@pytest.mark.django_db
def test_shipped_leverage_tiers_say_of_when_they_are():
    shipped_here = ensure_instrument(exchange="binanceusdm", symbol="SOL/USDT:USDT")
    inferred = ensure_instrument(exchange="ftx", symbol="BTC/USD:USD", sample=samples.candles(50))

    assert shipped_here.tiers_dated == "2025-06-01"
    assert inferred.tiers_dated == ""
    shipped_here.tiers = [*shipped_here.tiers[:-1]]
    assert shipped_here.tiers_dated == ""


@pytest.mark.django_db
def test_a_simulated_exchange_trades_by_shipped_rules():
    assert ensure_instrument(exchange="simulated-7", symbol="SOL/USDT:USDT").tick == Decimal("0.01")


@pytest.mark.django_db
def test_rules_of_an_unknown_symbol_are_inferred_and_say_so():
    inferred = ensure_instrument(exchange="ftx", symbol="BTC/USD:USD", sample=samples.candles(50, price=38_544.0))

    assert inferred.assumed
    assert inferred.rules.assumed
    assert inferred.tick == Decimal("0.01")
    assert inferred.step == Decimal("0.0001")
    assert inferred.min_notional == 10
    assert inferred.rules.max_leverage == 10


@pytest.mark.django_db
def test_inferred_spot_has_no_leverage():
    spot = ensure_instrument(exchange="bybit", symbol="BTC/USDT", sample=samples.candles(50))

    assert spot.kind == InstrumentKind.SPOT
    assert spot.rules.max_leverage == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "words"),
    [
        ("BTC/USD:BTC", "inverse"),
        ("BTC/USDT:USDT-250627", "dated future"),
        ("BTCUSDT", "not a symbol"),
        ("/USDT", "not a symbol"),
        ("BTC/USDT:", "not a symbol"),
    ],
)
def test_what_cannot_be_traded_is_refused_in_one_sentence(symbol, words):
    with pytest.raises(NotListed, match=words):
        ensure_instrument(exchange="binanceusdm", symbol=symbol, sample=samples.candles(5))

    assert not Instrument.objects.exists()


@pytest.mark.django_db
def test_nothing_is_inferred_from_nothing():
    with pytest.raises(NotListed, match="no candles"):
        ensure_instrument(exchange="binanceusdm", symbol="NOBODY/USDT:USDT")


@pytest.mark.parametrize(
    ("prices", "tick"),
    [
        ([104585.0, 104586.0], "1"),
        ([105814.3, 105814.0], "0.1"),
        ([0.19498, 0.195], "0.00001"),
        ([0.10441057000000001, 0.10441058], "0.00000001"),
        ([5.144e-05, 5.008e-05], "0.00000001"),
    ],
)
def test_the_tick_is_in_the_digits_of_the_prices(prices, tick):
    column = np.array(prices)

    assert tick_of(Candles(np.arange(len(prices)), column, column, column, column, column)) == Decimal(tick)


# --- The shipped files -------------------------------------------------------------------------------------


def test_the_majors_are_shipped():
    assert len(shipped("binanceusdm")) >= 20
    assert {f"{base}/USDT:USDT" for base in MAJORS} <= set(shipped("binanceusdm"))
    assert shipped("nowhere") == {}


@pytest.mark.django_db
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_shipped_instrument_is_sane(exchange):
    for symbol in shipped(exchange):
        rules = ensure_instrument(exchange=exchange, symbol=symbol).rules
        assert rules.tick > 0
        assert rules.step > 0
        assert rules.min_quantity % rules.step == 0
        assert 0 <= rules.maker_fee <= rules.taker_fee < Decimal("0.01")
        assert 0 < rules.half_spread < Decimal("0.001")
        assert rules.funding_hours in (1, 2, 4, 8)
        assert rules.tiers[0].floor == 0


@pytest.mark.django_db
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_maintenance_margins_run_without_a_jump_from_tier_to_tier(exchange):
    for symbol in shipped(exchange):
        tiers = ensure_instrument(exchange=exchange, symbol=symbol).rules.tiers
        assert tiers[0].maintenance_amount == 0
        for lower, upper in pairwise(tiers):
            assert upper.floor > lower.floor
            assert upper.maintenance_rate > lower.maintenance_rate
            assert upper.max_leverage < lower.max_leverage
            at_floor = upper.floor * lower.maintenance_rate - lower.maintenance_amount
            assert maintenance_margin(upper.floor, tiers) == at_floor
        for tier in tiers:
            assert tier.maintenance_rate < Decimal(1) / tier.max_leverage


@pytest.mark.requirement("MKT-01")
@pytest.mark.parametrize("folder", ["binanceusdm-1m-2025-05", "binanceusdm-5m-2025-03", "bybit-5m-2025-07"])
def test_real_prices_and_volumes_are_multiples_of_the_shipped_steps(market_data, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    for path in sorted((market_data / folder).glob("*/*m.parquet")):
        base, quote, settle = path.name.split("-")[0].split("_")
        rules = shipped(path.parent.name)[f"{base}/{quote}:{settle}"]
        table = parquet.read_table(path)
        for column, unit in (("close", "tick"), ("high", "tick"), ("low", "tick"), ("volume", "step")):
            units = table[column].to_numpy() / float(rules[unit])
            off = np.abs(units - np.rint(units)) > 1e-3
            # The exchange itself has one high of SOL between two ticks.
            assert off.sum() <= (column == "high"), (path.name, column)
