"""The fake exchange itself: unmodified clients of ccxt understand it, and its faults are what they say."""

import asyncio
import subprocess
import sys
import urllib.request
from json import dumps, loads
from pathlib import Path

import ccxt
import pytest

from markets.exchanges import clients

from .fake_exchange import FakeExchange

BTC = "BTC/USDT:USDT"


@pytest.fixture
def fake(settings):
    with FakeExchange() as served:
        settings.EXCHANGE_URLS = served_urls(served)
        yield served


def served_urls(served):
    return {name: served.url(name) for name in served.worlds}


def test_all_that_is_public_agrees_with_itself(fake):
    fake.world.hold(1_750_000_050_000)
    client = clients.client("binanceusdm")
    last = client.fetch_last_prices([BTC])[BTC]["price"]
    book = client.fetch_bids_asks([BTC])[BTC]
    funding = client.fetch_funding_rates([BTC])[BTC]
    minutes = client.fetch_ohlcv(BTC, "1m", limit=15)
    quarter = client.fetch_ohlcv(BTC, "15m", limit=2)

    assert minutes[-1][4] == last
    assert book["bid"] < last < book["ask"]
    assert funding["markPrice"] == last
    assert funding["fundingRate"] == 0.0001
    assert quarter[-1][4] == last
    assert [row[0] for row in minutes] == sorted(row[0] for row in minutes)
    assert client.fetch_open_interest(BTC)["openInterestAmount"] == 81234.5
    assert len(client.fetch_funding_rate_history(BTC, limit=5)) == 5
    assert client.fetch_order_book(BTC, 5)["asks"][0][0] > last
    assert client.fetch_tickers([BTC])[BTC]["last"] == last


def test_two_runs_see_the_same_market_and_a_set_price_holds(fake):
    fake.world.hold(1_750_000_000_000)
    other = FakeExchange()
    other.world.hold(1_750_000_000_000)

    assert fake.world.price(BTC) == other.world.price(BTC)

    fake.world.set_price(BTC, 60_000)
    fake.world.advance(90)
    candles = fake.world.candles(BTC, "1m", limit=2)

    assert fake.world.price(BTC) == 60_000
    assert candles.close[-1] == 60_000


def test_each_fault_is_what_it_says(fake):
    client = clients.client("binanceusdm", timeout=0.4)
    ask = client.fapiPublicGetTime
    ask()
    fake.faults.add("drop", "time")
    with pytest.raises(ccxt.NetworkError):
        ask()
    fake.faults.add("delay", "time", seconds=0.8)
    with pytest.raises(ccxt.RequestTimeout):
        ask()
    fake.faults.add("status", "time", status=503, body="{}")
    with pytest.raises(ccxt.ExchangeNotAvailable):
        ask()
    fake.faults.add("half", "time")
    assert not isinstance(ask(), dict)
    fake.faults.add("maintenance", "time", skip=1)
    ask()
    with pytest.raises(ccxt.NetworkError):
        ask()
    ask()

    statuses = [call.status for call in fake.log.of("time")]
    assert statuses[:2] == [200, 0]
    assert statuses[3:] == [503, 200, 200, 503, 200]


def test_weights_are_counted_and_who_does_not_obey_is_banned(fake):
    fake.world.hold(1_750_000_010_000)
    fake.limits.limit, fake.limits.patience = 50, 2
    client = clients.client("binanceusdm")
    client.load_markets()
    client.fetch_tickers()  # 40
    for _ in range(2):
        with pytest.raises(ccxt.DDoSProtection):
            client.fetch_tickers()
    with pytest.raises(ccxt.DDoSProtection):
        client.fetch_tickers()

    assert [call.status for call in fake.log.of("ticker/24hr")] == [200, 429, 429, 418]
    fake.world.advance(121)
    client.fetch_tickers()


async def test_streams_push_what_moves(fake):
    client = clients.streaming_client("binanceusdm")
    try:
        blocking = clients.client("binanceusdm")
        await asyncio.to_thread(blocking.load_markets)
        clients.share_markets(blocking, client)
        fake.world.set_price(BTC, 60_000)
        first = await client.watch_bids_asks([BTC])
        mark = await client.watch_mark_prices([BTC])
        candle = await client.watch_ohlcv_for_symbols([[BTC, "1m"]])
    finally:
        await client.close()

    assert first[BTC]["bid"] < 60_000 < first[BTC]["ask"]
    assert mark[BTC]["markPrice"] == 60_000
    assert candle[BTC]["1m"][-1][4] == 60_000
    assert fake.log.count() == 1


def test_as_a_process_it_is_scripted_over_http(tmp_path):
    command = [sys.executable, "-m", "markets.tests.fake_exchange", "--port", "0"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            base = ""
            for line in process.stdout:
                if line.startswith("EXCHANGE_URL_BINANCEUSDM="):
                    base = line.strip().partition("=")[2]
                if line.strip() == "ready":
                    break
            host = base.removesuffix("/binanceusdm")
            post(f"{host}/_control/world?exchange=binanceusdm", {"prices": {BTC: 61000}})
            post(f"{host}/_control/faults", {"kind": "status", "path": "ping", "status": 500})
            asked = loads(get(f"{base}/fapi/v1/ticker/price?symbol=BTCUSDT"))
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"{base}/fapi/v1/ping")
            calls = loads(get(f"{host}/_control/calls?path=ticker"))
        finally:
            process.terminate()
            process.wait(10)

    assert float(asked["price"]) == 61000
    assert calls["count"] == 1


def post(url, body):
    request = urllib.request.Request(url, dumps(body).encode(), {"Content-Type": "application/json"})
    return urllib.request.urlopen(request).read()


def get(url):
    return urllib.request.urlopen(url).read()
