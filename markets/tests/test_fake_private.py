"""The signed half of the fake Binance USD-M: unmodified ccxt trades on it, and it refuses what the exchange refuses."""

from decimal import Decimal

import ccxt
import pytest

from markets.exchanges import clients

from .fake_exchange import trading
from .live_desk import BTC, ETH


@pytest.fixture
def client(desk):
    return clients.client("binanceusdm", credentials={"apiKey": "key", "secret": "secret"})


def code_of(error) -> int:
    from markets.exchanges.live_answers import code_of

    return code_of(error.value)


def refused(call) -> int:
    with pytest.raises(ccxt.BaseError) as error:
        call()
    return code_of(error)


def test_unified_methods_of_ccxt_understand_it(desk, client):
    client.set_margin_mode("isolated", BTC)
    client.set_leverage(10, BTC)
    bought = client.create_order(BTC, "market", "buy", 0.02)
    stop = client.create_order(BTC, "market", "sell", 0.02, None, {"stopLossPrice": 49_000, "reduceOnly": True})
    resting = client.create_order(BTC, "limit", "buy", 0.01, 48_000, {"clientOrderId": "mine"})

    [position] = client.fetch_positions([BTC])
    assert (bought["status"], bought["filled"], stop["status"]) == ("closed", 0.02, "open")
    assert (position["contracts"], position["side"], position["marginMode"]) == (0.02, "long", "isolated")
    worth = desk.account.wallet["USDT"] + desk.account.unrealised(BTC)
    assert client.fetch_balance()["USDT"]["total"] == float(worth)
    assert [order["clientOrderId"] for order in client.fetch_open_orders(BTC)] == ["mine"]
    assert [order["id"] for order in client.fetch_open_orders(BTC, None, None, {"trigger": True})] == [stop["id"]]
    assert client.fetch_my_trades(BTC)[0]["fee"]["cost"] == 0.50005
    assert client.cancel_order(resting["id"], BTC)["status"] == "canceled"
    assert client.fetch_leverage(BTC)["longLeverage"] == 10
    assert client.fetch_position_mode(BTC)["hedged"] is False
    assert client.fetch_leverage_tiers([BTC])[BTC][0]["maxLeverage"] == 125


def test_a_request_that_is_not_signed_right_or_in_time_is_refused(desk, client):
    stranger = clients.client("binanceusdm", credentials={"apiKey": "key", "secret": "guessed"})
    nobody = clients.client("binanceusdm", credentials={"apiKey": "nobody", "secret": "secret"})
    late = {"timestamp": desk.fake.world.now() - 15_000}

    assert refused(stranger.fetch_balance) == -1022
    assert refused(nobody.fetch_balance) == -2015
    assert refused(lambda: client.fapiPrivateGetAccountConfig(late)) == -1021
    assert client.fapiPrivateGetAccountConfig({**late, "recvWindow": 20_000})["canTrade"] is True


def raw(client, **fields):
    return client.fapiPrivatePostOrder(
        {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01", **fields}
    )


def algo(client, **fields):
    given = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "quantity": "0.01",
             "triggerPrice": "49000", "reduceOnly": "true", **fields}  # fmt: skip
    return client.fapiPrivatePostAlgoOrder(given)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": "0.0105"}, -1111),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.001"}, -4164),
        ({"quantity": "abc"}, -1102),
        ({"quantity": "9"}, -2019),
        ({"type": "LIMIT", "price": "49999.95", "timeInForce": "GTC"}, -4014),
        ({"type": "LIMIT", "price": "70000", "timeInForce": "GTC"}, -4016),
        ({"side": "SELL", "type": "LIMIT", "price": "30000", "timeInForce": "GTC"}, -4024),
        ({"side": "SELL", "reduceOnly": "true"}, -2022),
        ({"type": "STOP_MARKET", "stopPrice": "49000"}, -4120),
        ({"type": "TAKE_PROFIT_MARKET", "stopPrice": "52000"}, -4120),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "no spaces"}, -4015),
        ({"positionSide": "LONG"}, -4061),
        ({"symbol": "NOPEUSDT"}, -1121),
    ],
)
def test_it_refuses_orders_with_the_exchanges_codes(desk, client, fields, code):
    assert refused(lambda: raw(client, **fields)) == code
    assert not desk.account.orders


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"triggerPrice": "51000"}, -2021),
        ({"type": "TAKE_PROFIT_MARKET", "triggerPrice": "49000"}, -2021),
        ({"triggerPrice": "49000.05"}, -4014),
        ({"closePosition": "true"}, -4137),
        ({"type": "MARKET"}, -1116),
    ],
)
def test_it_refuses_conditional_orders_too(desk, client, fields, code):
    assert refused(lambda: algo(client, **fields)) == code
    assert not desk.account.algos


def test_a_client_id_is_taken_again_once_its_order_has_closed_and_not_before(desk, client):
    raw(client, newClientOrderId="again")
    raw(client, newClientOrderId="again")
    algo(client, clientAlgoId="waits")

    assert len(desk.account.orders) == 2
    assert refused(lambda: algo(client, clientAlgoId="waits")) == -4116


def test_settings_cannot_be_changed_over_orders_and_positions(desk, client):
    client.set_margin_mode("isolated", BTC)
    client.set_leverage(10, BTC)
    raw(client)
    algo(client)

    assert refused(lambda: client.set_position_mode(True)) == -4067
    assert refused(lambda: client.set_margin_mode("cross", BTC)) == -4047
    assert refused(lambda: client.set_leverage(5, BTC)) == -4161
    assert refused(lambda: client.fapiPrivatePostLeverage({"symbol": "BTCUSDT", "leverage": 200})) == -4028


def test_money_is_neither_made_nor_lost(desk, client):
    for side, quantity, price in (
        ("buy", 0.05, 50_100),
        ("sell", 0.02, 49_700),
        ("sell", 0.06, 50_300),
        ("buy", 0.03, 50_050),
    ):
        client.create_order(BTC, "market", side, quantity)
        trading.fund(desk.account, BTC, "0.0001")
        desk.fake.world.set_price(BTC, price)

    account = desk.account
    moved = sum(line.amount for line in account.income)
    assert account.position(BTC).quantity == 0
    assert Decimal(10_000) + moved == account.wallet["USDT"]
    assert sum(t.realised - t.fee for t in account.trades) == sum(
        line.amount for line in account.income if line.kind in ("REALIZED_PNL", "COMMISSION")
    )


def test_a_book_without_depth_fills_what_there_is(desk, client):
    desk.fake.world.set_book(ETH, [["1999", "1"]], [["2001", "0.5"], ["2002", "0.25"]])
    try:
        order = client.create_order(ETH, "market", "buy", 2)
    finally:
        desk.fake.world.set_book(ETH, None)

    assert (order["status"], order["filled"]) == ("expired", 0.75)
    assert [trade.price for trade in desk.account.trades] == [Decimal(2001), Decimal(2002)]


def test_a_delisted_symbol_takes_nothing_and_a_halted_one_only_exits(desk, client):
    raw(client)
    listed = desk.fake.world.listed[BTC]
    try:
        listed.status = "halted"
        assert refused(lambda: raw(client)) == -4140
        raw(client, side="SELL", reduceOnly="true", quantity="0.005")
        listed.status = "delisted"
        assert refused(lambda: raw(client, side="SELL", reduceOnly="true", quantity="0.005")) == -4108
    finally:
        listed.status = "trading"
