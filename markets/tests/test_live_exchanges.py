"""Every exchange through the same door: opened, priced, filled, settled, in base units and at its own steps."""

import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets import watching
from markets.domain import windows
from markets.exchanges import market_data
from markets.live import driver as driving
from markets.live import funding, instruments
from markets.live.ages import Ages
from markets.live.candles import LiveCandles
from markets.models import Candle, DataAge, ExchangeState, FundingRate, Instrument, Quote

from .live_market import led_here, opened

EXCHANGES = ("aster", "binanceusdm", "bybit", "hyperliquid", "okx")
pytestmark = pytest.mark.django_db(transaction=True)


def now():
    return datetime.now(UTC)


@pytest.fixture(params=EXCHANGES)
def fake(request):
    with led_here(request.param) as served:
        yield served


def btc(fake):
    quote = "USDC" if fake.exchange == "hyperliquid" else "USDT"
    return Instrument.objects.get(exchange=fake.exchange, symbol=f"BTC/{quote}:{quote}")


@pytest.mark.requirement("MKT-01")
def test_rules_prices_and_funding(fake):
    feed = opened(fake)
    one = btc(fake)
    quote = Quote.objects.get(feed=feed, instrument=one)

    assert one.step == Decimal("0.001")
    assert one.min_quantity == Decimal("0.001")
    if fake.exchange != "hyperliquid":  # its ticks follow from the price: five digits
        assert one.tick == Decimal("0.1")
    assert one.funding_hours == (1 if fake.exchange == "hyperliquid" else 8)
    if fake.exchange != "hyperliquid":
        fake.world.listed[one.symbol].funding_hours = 4
        instruments.refresh(fake.exchange, now(), symbols=())
        assert btc(fake).funding_hours == 4
    assert one.status == "trading"
    assert abs(quote.last - fake.world.price(one.symbol)) <= quote.last * Decimal("0.001")
    assert quote.bid <= quote.last <= quote.ask
    assert quote.funding_rate == Decimal("0.0001")
    assert quote.next_funding_at > now()
    assert quote.day_open is not None
    assert quote.liquidity > 0


@pytest.mark.requirement("MKT-01")
def test_candles_funding_interest_and_book(fake):
    feed = opened(fake)
    one = btc(fake)
    LiveCandles(fake.exchange, Ages()).fill(one, "5m", now())
    stored = Candle.objects.stretch(one.pk, "5m")
    truth = fake.world.candles(one.symbol, "5m", int(stored.time[0]), int(stored.time[-1]), limit=2000)
    funding.settle(feed, one, now(), Ages())

    assert len(stored) >= windows.WARM
    assert stored.close == pytest.approx(truth.close)
    assert stored.volume == pytest.approx(truth.volume)  # in base units everywhere
    assert FundingRate.objects.filter(instrument=one).count() >= 3
    if fake.exchange != "aster":  # which does not tell it
        assert market_data.open_interest(fake.exchange, one.symbol)[1] == Decimal("81234.5")
    book = market_data.book(fake.exchange, one.symbol)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"][0][1] == pytest.approx(Decimal(fake.world.book(one.symbol)[0][0][1]))
    assert abs(market_data.clock_offset(fake.exchange)) < 500


@pytest.mark.requirement("MKT-03")
def test_the_stream_brings_prices(fake, monkeypatch):
    monkeypatch.setattr(driving, "WRITE_SECONDS", 0.2)
    fake.world.tick_seconds = 0.1
    opened(fake)
    one = btc(fake)
    watching.watch(wanted=[(one.pk, ""), (one.pk, "1m")], now=now(), lasts=timedelta(minutes=5))
    ended = threading.Event()
    thread = threading.Thread(target=driving.run, args=(fake.exchange, ended))
    thread.start()
    try:
        until = time.monotonic() + 30
        while ExchangeState.objects.get().source != "stream":
            assert time.monotonic() < until, "no stream"
            time.sleep(0.05)
        fake.world.set_price(one.symbol, 64_000)
        while Quote.objects.get(instrument=one).last != 64_000:
            assert time.monotonic() < until, "no price"
            time.sleep(0.02)
        while not DataAge.objects.filter(instrument=one, part="price", source="stream").exists():
            assert time.monotonic() < until, "no age"
            time.sleep(0.02)
        while Candle.objects.of(one, "1m").count() < windows.WARM:
            assert time.monotonic() < until, "no candles"
            time.sleep(0.05)
    finally:
        ended.set()
        thread.join(30)
