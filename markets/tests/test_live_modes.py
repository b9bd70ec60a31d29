"""Leverage, margin and position mode before each entry, and the rights of a key."""

from decimal import Decimal

import pytest

from markets.domain.orders import Confirmed, Denied, OrderType, Side
from markets.exchanges import clients
from markets.exchanges.base import KeyRefused
from markets.exchanges.live import LiveVenue
from markets.exchanges.live_permissions import permissions

from .fake_exchange.account import Setting
from .live_desk import BTC

ORDER = "/fapi/v1/order"


@pytest.mark.requirement("EXE-02")
def test_modes_are_set_where_nothing_is_held_and_only_looked_at_afterwards(desk):
    desk.account.hedge = desk.account.multi_assets = True
    _, first = desk.send(quantity="0.01")
    changes = desk.fake.log.count(method="POST")
    _, second = desk.send(quantity="0.01")

    setting = desk.account.setting(BTC)
    assert isinstance(first, Confirmed)
    assert isinstance(second, Confirmed)
    assert (desk.account.hedge, desk.account.multi_assets) == (False, False)
    assert (setting.margin_type, setting.leverage) == ("ISOLATED", 5)
    assert desk.fake.log.count(method="POST") == changes + 1  # the order alone


@pytest.mark.requirement("EXE-02")
@pytest.mark.parametrize(
    ("flip", "code"),
    [
        (lambda account: setattr(account, "hedge", True), "position_mode"),
        (lambda account: setattr(account, "multi_assets", True), "multi_assets"),
        (lambda account: account.settings.update({BTC: Setting(5, "CROSSED")}), "margin_mode"),
        (lambda account: account.settings.update({BTC: Setting(7, "ISOLATED")}), "leverage_differs"),
        (lambda account: setattr(account, "may_trade", False), "not_permitted"),
    ],
    ids=["hedge", "multi-assets", "cross", "leverage", "trading off"],
)
def test_what_was_changed_outside_while_something_is_held_denies_the_entry_and_lets_exits_pass(desk, flip, code):
    desk.send(quantity="0.02")
    flip(desk.account)

    _, entry = desk.send(quantity="0.01")
    if code not in ("position_mode", "not_permitted"):  # there the exchange itself refuses everything
        _, stop = desk.stop(quantity="0.02")
        _, leave = desk.send(Side.SELL, "0.02", reduce_only=True)
        assert isinstance(stop, Confirmed)
        assert isinstance(leave, Confirmed)

    assert isinstance(entry, Denied)
    assert entry.code == code
    assert entry.message.endswith((".", ")"))
    assert len([c for c in desk.fake.log.of(ORDER, method="POST") if c.fields.get("reduceOnly") is None]) == 1


@pytest.mark.requirement("EXE-02")
def test_nothing_is_sent_where_the_modes_cannot_be_read(desk):
    desk.send(quantity="0.01")
    desk.fake.faults.add("drop", "symbolConfig", times=None)

    _, answer = desk.send(quantity="0.01")

    assert answer.code == "modes_unknown"
    assert desk.fake.log.count(ORDER, method="POST") == 1


def test_resting_stops_do_not_hinder_an_entry_that_adds(desk):
    desk.send(quantity="0.01")
    desk.stop()

    _, answer = desk.send(quantity="0.01", type=OrderType.LIMIT, price="49900")

    assert isinstance(answer, Confirmed)


@pytest.mark.requirement("LED-02")
def test_a_key_that_may_withdraw_is_refused(desk):
    desk.account.may_withdraw = True
    assert "withdraw" in permissions(desk.client).refusal

    desk.account.may_withdraw = False
    assert permissions(desk.client).refusal == ""

    desk.account.may_trade = False
    assert "futures" in permissions(desk.client).refusal

    desk.account.revoked = True
    with pytest.raises(KeyRefused):
        permissions(desk.client)


def test_the_leverage_of_the_entry_is_what_margin_is_put_up_by(desk):
    desk.send(quantity="0.01", leverage=10)

    [position] = desk.venue.positions()

    assert position.leverage == 10
    assert position.margin == Decimal("50.005")


@pytest.mark.requirement("EXE-02")
def test_demo_trading_goes_to_the_exchanges_demo_and_tells_no_rights(desk, settings):
    demo = clients.client("binanceusdm", credentials={"apiKey": "key", "secret": "secret"}, testnet=True)
    assert "demo" not in demo.urls["api"]["fapiPrivate"]  # moved to the fake exchange with everything else
    assert permissions(demo).refusal == ""
    venue = LiveVenue(demo, "USDT", sent=desk.sent, rules=desk.rules.get)
    assert isinstance(venue.send(desk.request(quantity="0.01")), Confirmed)

    settings.EXCHANGE_URLS = {}
    real = clients.client("binanceusdm", testnet=True)
    assert all("demo" in real.urls["api"][name] for name in ("fapiPublic", "fapiPrivate", "fapiPrivateV3"))
