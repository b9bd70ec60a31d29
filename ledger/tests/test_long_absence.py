"""After days without this product every execution and payment since the last known one is imported, however many."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ledger.models import Account, CashEntry, Position, Trade
from ledger.tests.fake_desk import BTC
from markets.exchanges import live_reports
from markets.tests.fake_exchange import trading

pytestmark = pytest.mark.django_db
ETH, DAY = "ETH/USDT:USDT", 86_400


def long_ago(desk, days):
    """The books were opened so long ago, and the last thing known is from then."""
    desk.fake.world.advance(-days * DAY)
    then = desk.now - timedelta(days=days, hours=1)
    place = int(then.timestamp() * 1000)
    Account.objects.filter(pk=desk.account.pk).update(books_from=then, report_cursor=place, reconciled_at=then)


def back(desk, days):
    desk.fake.world.advance(days * DAY)
    desk.collected()
    desk.fake.log.clear()


def asked(desk, path):
    return desk.fake.log.count(path, method="GET")


@pytest.mark.requirement("LED-06")
def test_weeks_of_trades_and_funding_by_the_thousand_are_imported(desk):
    long_ago(desk, 20)
    for number in range(1100):
        trading.outsider(desk.customer, BTC, "BUY" if number % 2 else "SELL", "0.01")
    desk.fake.world.advance(9 * DAY)
    trading.outsider(desk.customer, BTC, "BUY", "0.05")
    trading.outsider(desk.customer, ETH, "BUY", "0.2")
    for number in range(1050):
        trading.fund(desk.customer, BTC, "0.0001" if number % 2 else "-0.00009")
    desk.fake.world.advance(10 * DAY)
    trading.outsider(desk.customer, ETH, "SELL", "0.2")  # closed again meanwhile: nothing of it is held now
    back(desk, 1)

    for _ in range(2):
        desk.round()

    assert Trade.objects.count() == len(desk.customer.trades)
    assert CashEntry.objects.filter(kind="funding").count() == 1050
    assert Position.objects.open().get().quantity == Decimal("0.05")
    assert desk.balanced() == ["stops for 0 of 0.05"]  # nobody manages what was bought by hand
    assert desk.account.trouble == ""
    assert asked(desk, "/fapi/v1/order") < 20  # names come by the page


@pytest.mark.requirement("LED-06")
def test_a_restored_backup_gets_back_what_its_own_orders_did_since(desk):
    desk.trade(desk.draft())
    kept = Account.objects.get(pk=desk.account.pk).report_cursor
    desk.move("50500")
    trading.fund(desk.customer, BTC, "0.0001")
    desk.round()
    booked = CashEntry.objects.filter(kind="funding")
    assert booked.count() == 1
    # The dump was made after the entry: funding and everything after it is gone from here.
    paid = booked.get()
    type(paid).objects.filter(pk=paid.pk)._raw_delete("default")
    book = paid.book
    book.refresh_from_db()
    type(book).objects.filter(pk=book.pk).update(cash=book.cash - paid.amount)
    Account.objects.filter(pk=desk.account.pk).update(report_cursor=kept)
    desk.collected()

    for _ in range(2):
        desk.round()

    assert CashEntry.objects.filter(kind="funding").count() == 1
    assert desk.balanced() == []
    assert desk.account.trouble == ""


def test_questions_that_are_cut_off_go_on_where_they_were(desk, monkeypatch):
    monkeypatch.setattr(live_reports, "ONE_BY_ONE", 100)
    for _ in range(30):
        trading.outsider(desk.customer, BTC, "BUY", "0.01")
    desk.fake.faults.add("status", "/fapi/v1/order", method="GET", skip=20, times=3, status=429, body="busy")
    from markets.models import ExchangeState

    desk.round()
    assert Trade.objects.count() == 0
    first = asked(desk, "/fapi/v1/order")
    ExchangeState.objects.update(wait_until=None)
    desk.fake.faults.clear()
    desk.round()

    assert Trade.objects.count() == 30
    assert asked(desk, "/fapi/v1/order") - first <= 12


def test_a_stop_that_has_rested_for_weeks_does_not_have_old_trades_read_again(desk):
    desk.trade(desk.draft())
    desk.account.orders.update(sent_at=desk.now - timedelta(days=60), at=desk.now - timedelta(days=60))
    Account.objects.update(books_from=desk.now - timedelta(days=61))
    desk.collected()
    desk.round()
    desk.fake.log.clear()
    desk.round()

    assert asked(desk, "/fapi/v1/userTrades") <= 2
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_triggers_between_two_questions_under_an_id_of_its_own_is_ours(desk, monkeypatch):
    desk.customer.renames = True
    desk.trade(desk.draft())
    desk.round()
    states = live_reports._Gathering._states

    def and_then_it_falls(gathering):
        told = states(gathering)
        desk.fake.world.set_price(BTC, "48900")
        return told

    monkeypatch.setattr(live_reports._Gathering, "_states", and_then_it_falls)
    desk.round()
    monkeypatch.setattr(live_reports._Gathering, "_states", states)
    for _ in range(3):
        desk.wait(5)

    assert Position.objects.closed().get().exit_reason == "stop"
    assert desk.balanced() == []
