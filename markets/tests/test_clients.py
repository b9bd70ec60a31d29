"""What leaves this machine when a client asks and orders: read from the log of the fake exchange."""

import asyncio
import contextlib

import pytest

from markets.exchanges import clients

from .fake_exchange import FakeExchange

SYMBOLS = {"hyperliquid": "BTC/USDC:USDC"}
IDS = {"okx": "BTC-USDT-SWAP", "hyperliquid": "0"}
KEY = "0x" + "12" * 32
CREDENTIALS = {
    "binanceusdm": {"apiKey": "key", "secret": "secret"},
    "aster": {"privateKey": KEY},
    "hyperliquid": {"privateKey": KEY, "walletAddress": "0x" + "34" * 20},
    "okx": {"apiKey": "key", "secret": "secret", "password": "word"},
    "bybit": {"apiKey": "key", "secret": "secret"},
}
EXCHANGES = sorted(CREDENTIALS)
TYPES = {"orderTypes": ["LIMIT", "MARKET", "STOP_MARKET"]}
# What ccxt would sign its requests with; the last are its broker ids.
HIDDEN = (
    "builder", "referr", "referer", "feerate", "ccxt", "broker", "setref",
    "x-xckt", "x-tkt5", "x-cvbp", "6b9ad766b55dbcde",
)  # fmt: skip


@pytest.fixture(scope="module")
def fake():
    with FakeExchange() as served:
        yield served


@pytest.fixture
def led_here(fake, settings):
    settings.EXCHANGE_URLS = {name: fake.url(name) for name in EXCHANGES}
    fake.log.clear()
    return fake


def listed(client, exchange):
    """One perpetual, so that no request is needed to know it."""
    symbol = SYMBOLS.get(exchange, "BTC/USDT:USDT")
    base, _, rest = symbol.partition("/")
    quote = rest.partition(":")[0]
    market = client.safe_market_structure(
        {
            "id": IDS.get(exchange, "BTCUSDT"), "lowercaseId": "btcusdt", "symbol": symbol, "base": base,
            "quote": quote, "settle": quote, "baseId": "0" if exchange == "hyperliquid" else base, "quoteId": quote,
            "settleId": quote, "type": "swap", "spot": False, "swap": True, "future": False, "option": False,
            "contract": True, "linear": True, "inverse": False, "contractSize": 1.0, "active": True,
            "subType": "linear",
            "precision": {"amount": 0.001, "price": 0.1}, "info": {"name": base, **TYPES},
            "limits": {"amount": {"min": 0.001}, "price": {}, "cost": {"min": 5}, "leverage": {}},
        }
    )  # fmt: skip
    client.set_markets([market])
    if exchange == "bybit":
        client.options.update(enableUnifiedAccount=True, enableUnifiedMargin=False, unifiedMarginStatus=5)
    return symbol


def everything_sent(log):
    return [
        f"{call.method} {call.path} {call.params} {call.body} {dict(call.headers)}"
        for call in log.calls
    ]  # fmt: skip


def assert_nothing_hidden(log):
    for call in log.calls:
        for word in HIDDEN:
            assert not call.mentions(word), f"«{word}» in {call}"


@pytest.mark.requirement("EXE-02")
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_order_carries_nothing_but_the_order(exchange, led_here):
    client = clients.client(exchange, credentials=CREDENTIALS[exchange])
    symbol = listed(client, exchange)
    own = "0x" + "ab" * 16 if exchange == "hyperliquid" else "ab" * 14
    tries = (
        ("limit", {"clientOrderId": own}),
        ("limit", {}),  # an id of ccxt's making
        ("market", {"stopLossPrice": 60000, "reduceOnly": True, "clientOrderId": own}),
        ("market", {"stopLossPrice": 60000, "reduceOnly": True}),
    )
    for kind, params in tries:
        with contextlib.suppress(Exception):  # The fake answers nothing that could be parsed; what left is the matter.
            client.create_order(symbol, kind, "sell", 0.01, 65000, params)
    orders = [call for call in led_here.log.calls if call.method == "POST"]

    assert len(orders) >= 3, everything_sent(led_here.log)
    assert any(own in call.body or own in str(call.params) for call in orders)
    assert_nothing_hidden(led_here.log)


@pytest.mark.requirement("EXE-02")
@pytest.mark.parametrize("exchange", EXCHANGES)
def test_what_is_signed_besides_orders_carries_nothing_either(exchange, led_here):
    client = clients.client(exchange, credentials=CREDENTIALS[exchange])
    symbol = listed(client, exchange)
    for call, arguments in (
        (client.fetch_balance, ()),
        (client.fetch_positions, ([symbol],)),
        (client.fetch_open_orders, (symbol,)),
        (client.set_leverage, (3, symbol)),
        (client.cancel_order, ("1", symbol)),
    ):
        with contextlib.suppress(Exception):
            call(*arguments)

    assert led_here.log.calls
    assert not led_here.log.of("uilder")
    assert_nothing_hidden(led_here.log)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_the_streaming_client_carries_nothing_either(exchange, led_here):
    async def order():
        client = clients.streaming_client(exchange, credentials=CREDENTIALS[exchange])
        try:
            symbol = listed(client, exchange)
            for params in ({}, {"stopLossPrice": 60000, "reduceOnly": True}):
                with contextlib.suppress(Exception):
                    await client.create_order(symbol, "market", "sell", 0.01, 65000, params)
        finally:
            await client.close()

    asyncio.run(order())

    assert led_here.log.of(method="POST")
    assert_nothing_hidden(led_here.log)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_address_leads_where_the_settings_say(exchange, led_here):
    def strings(value):
        return [text for part in value.values() for text in strings(part)] if isinstance(value, dict) else [value]

    for made in (clients.client(exchange), clients.streaming_client(exchange)):
        addresses = strings(made.urls["api"])

        assert addresses
        assert all(f"127.0.0.1:{led_here.port}/{exchange}" in text for text in addresses)


def test_public_questions_are_answered(led_here):
    client = clients.client("binanceusdm")

    assert "BTC/USDT:USDT" in client.load_markets()
    assert len(client.fetch_ohlcv("BTC/USDT:USDT", "5m", limit=20)) == 20
    assert [call.path for call in led_here.log.calls] == ["/fapi/v1/exchangeInfo", "/fapi/v1/klines"]
    assert_nothing_hidden(led_here.log)


def test_an_unknown_exchange_is_said_in_a_sentence():
    with pytest.raises(clients.UnknownExchange, match="There is no exchange «fantasia»"):
        clients.client("fantasia")


def test_the_gate_is_asked_before_and_told_after(led_here):
    class Gate:
        asked, answers = [], []

        def admit(self, cost, capacity):
            if len(self.asked) == 2:
                raise clients.NotAsked("Enough for now.")
            self.asked.append((cost, capacity))

        def answered(self, status, headers):
            self.answers.append(status)

    gate = Gate()
    client = clients.client("binanceusdm", gate=gate)
    client.load_markets()
    led_here.faults.add("status", "klines", status=429, headers={"Retry-After": "7"}, body='{"code":-1003,"msg":"no"}')
    with contextlib.suppress(Exception):
        client.fetch_ohlcv("BTC/USDT:USDT", "5m")
    with pytest.raises(clients.NotAsked):
        client.fetch_ohlcv("BTC/USDT:USDT", "5m")

    assert [cost for cost, _ in gate.asked] == [1, 5]  # the default of 500 candles weighs five
    assert gate.answers == [200, 429]
    assert len(led_here.log.calls) == 2
