"""What exchanges really sent, through the same parsers and the same door as live data."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets.domain import intake
from markets.domain.candles import Candles, bad_rows, instant
from markets.domain.instruments import InstrumentRules
from markets.exchanges import clients, market_data
from markets.live import instruments
from markets.models import Instrument

from .live_market import led_here

NOW = datetime(2021, 7, 22, 22, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorded():
    """The folder of recorded payloads; skips where there is none."""
    import os
    from pathlib import Path

    folder = (Path(__file__).parents[2] / os.environ.get("MARKET_DATA", "../shared/data")).resolve() / "payloads"
    if not folder.is_dir():
        pytest.skip("There is no market data here; MARKET_DATA names its folder.")
    return folder


def lines(path):
    with gzip.open(path, "rt") as file:
        return [line.strip() for line in file if line.strip()]


@pytest.fixture(scope="module")
def binance(recorded):
    """A client that knows the instruments of the recorded exchangeInfo."""
    [told] = [line for line in lines(recorded / "cryptofeed" / "BINANCE_FUTURES.0.gz") if "exchangeInfo ->" in line]
    listed = json.loads(told.partition(" -> ")[2].partition(": ")[2])["symbols"]
    client = clients.streaming_client("binanceusdm")
    client.set_markets(client.parse_markets(listed))
    return client


@pytest.mark.requirement("MKT-01")
def test_the_rules_of_every_recorded_perpetual_are_usable(binance, db):
    linear = [market for market in binance.markets.values() if market["swap"] and market["linear"]]
    assert len(linear) > 100
    for market in linear:
        fields = instruments._fields("binanceusdm", market, None, 8, NOW)
        row = Instrument(exchange="x", symbol=market["symbol"], base="B", quote="USDT", settle="USDT", **fields)

        assert isinstance(row.rules, InstrumentRules)
        assert row.rules.tick > 0
        assert row.rules.step > 0
        assert row.rules.min_quantity % row.rules.step == 0
        assert row.rules.max_leverage >= 1
        assert row.taker_fee > 0


@pytest.mark.requirement("MKT-05")
def test_recorded_quotes_are_let_in(binance, recorded):
    known, sound = {}, 0
    for line in lines(recorded / "cryptofeed" / "BINANCE_FUTURES.ws.1.0.gz"):
        received, _, text = line.partition(": ")
        if '"bookTicker"' not in text or not text.startswith("{"):
            continue
        message = json.loads(text)["data"]
        ticker = binance.parse_ws_ticker(message, "contract")
        tick = market_data.tick_of(ticker["symbol"], ticker)
        now = datetime.fromtimestamp(float(received), UTC)
        rules = rules_of(binance.markets[ticker["symbol"]])
        before = known.get(tick.symbol)
        assert intake.problem(tick, before, now) is None, (message, before)
        known[tick.symbol] = view = intake.quoted(tick, before, rules, now)
        assert intake.jump(tick, view, before, now) is None
        assert (view.bid, view.ask) == (Decimal(message["b"]), Decimal(message["a"]))
        sound += 1

    assert sound > 500


def rules_of(market):
    fields = instruments._fields("binanceusdm", market, None, 8, NOW)
    base, _, rest = market["symbol"].partition("/")
    quote = rest.partition(":")[0]
    return Instrument(exchange="x", symbol=market["symbol"], base=base, quote=quote, settle=quote, **fields).rules


@pytest.mark.requirement("MKT-05")
def test_recorded_candles_are_sound(recorded):
    rows = {}
    for line in lines(recorded / "cryptofeed" / "BINANCE_FUTURES.ws.1.0.gz"):
        text = line.partition(": ")[2]
        if '"kline"' in text and text.startswith("{"):
            told = json.loads(text)["data"]["k"]
            rows[told["s"], told["t"]] = [told["t"], *(float(told[name]) for name in "ohlcv")]
    assert rows
    for row in rows.values():
        assert bad_rows(Candles.of([row]), 60_000) == []


@pytest.mark.requirement("MKT-05")
def test_recorded_tickers_of_okx_are_let_in(recorded):
    client, sound = clients.streaming_client("okx"), 0
    for line in lines(recorded / "cryptofeed" / "OKX.ws.1.0.gz"):
        text = line[line.find("{") :]
        if '"channel":"tickers"' not in text or '"data"' not in text:
            continue
        message = json.loads(text)
        ticker = client.parse_ticker(message["data"][0])
        tick = market_data.tick_of("X", ticker)
        assert tick.at == instant(int(message["data"][0]["ts"]))
        assert intake.problem(tick, None, tick.at + timedelta(seconds=1)) is None
        sound += 1

    assert sound > 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.requirement("MKT-01")
def test_a_recorded_book_of_hyperliquid_is_read(recorded):
    folder = recorded / "nautilus" / "hyperliquid"
    with led_here("hyperliquid") as fake:
        market_data.markets("hyperliquid")
        fake.faults.add("body", "info", contains="l2Book", body=(folder / "http_l2_book_btc.json").read_text())
        book = market_data.book("hyperliquid", "BTC/USDC:USDC")

    assert book["bids"][0][0] < book["asks"][0][0]
    prices = [level[0] for level in book["bids"]]
    assert prices == sorted(prices, reverse=True)
