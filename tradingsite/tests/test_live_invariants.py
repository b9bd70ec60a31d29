"""Faults planted in a sound live account: each must be found in what the exchange and the ledger say."""

from decimal import Decimal

import pytest

from faults import live_invariants
from faults.exchange import Scene
from ledger.models import CashEntry, Order, OrderState, Trade
from ledger.tests.fake_desk import BTC, FakeDesk
from markets.tests.fake_exchange import FakeExchange, trading

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def scene(served, settings, monkeypatch):
    desk = FakeDesk.connect(served, settings, monkeypatch)
    desk.trade(desk.draft())
    desk.round()
    return Scene(None, served, desk.customer, desk.account, desk.book)


def forget_a_trade(scene):
    Trade.objects.filter(pk=Trade.objects.first().pk).update(venue_trade_id="other")


def take_the_stop(scene):
    scene.stops()[0].status = "CANCELED"


def leave_the_stop(scene):
    trading.outsider(scene.customer, BTC, "SELL", "0.1")


def shrink_the_stop(scene):
    scene.stops()[0].quantity = Decimal("0.099")


def send_twice(scene):
    first = next(iter(scene.customer.orders.values()))
    scene.customer.orders[1] = first


def send_uncommitted(scene):
    order = trading.outsider(scene.customer, BTC, "BUY", "0.001")
    order.client_id = "never committed"


def lose_a_cent(scene):
    scene.customer.wallet["USDT"] -= Decimal("0.00000001")


def post_twice(scene):
    entry = CashEntry.objects.filter(kind="fee").first()
    entry.pk, entry.ref = None, "again"
    entry.save()


def leave_unknown(scene):
    Order.objects.filter(role="target").update(state=OrderState.UNKNOWN)


@pytest.mark.requirement("EXE-03")
@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (forget_a_trade, "are not booked"),
        (take_the_stop, "with stops for 0"),
        (shrink_the_stop, "with stops for 0.099"),
        (leave_the_stop, "beside no position"),
        (send_twice, "arrived 2 times"),
        (send_uncommitted, "never committed"),
        (lose_a_cent, "the wallet"),
        (post_twice, "the wallet"),
        (leave_unknown, "is unknown"),
    ],
)
def test_a_planted_fault_is_found(scene, plant, said):
    assert live_invariants.broken(scene) == []

    plant(scene)

    assert any(said in sentence for sentence in live_invariants.broken(scene)), live_invariants.broken(scene)


def test_what_a_person_was_not_told_is_found(scene):
    assert live_invariants.broken(scene, halted=True) == ["The account trades on."]
    assert live_invariants.broken(scene, told=frozenset({"key"})) == ["No alert of kind key."]
    assert "is still held" in live_invariants.broken(scene, flat=True)[0]
