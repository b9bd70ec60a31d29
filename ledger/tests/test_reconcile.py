"""`manage.py reconcile` tells what ledger and venue do not agree on, and never hides a unit."""

import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from ledger.models import Book, OrderState, Position
from ledger.reconciliation import differences
from ledger.tests.desk import Desk
from markets.exchanges.paper import PaperVenue
from markets.models import PaperAccount

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    desk = Desk.open()
    desk.trade(desk.draft())
    return desk


@pytest.mark.requirement("LED-06")
def test_an_account_that_agrees_is_said_to(desk, capsys):
    call_command("reconcile")
    assert "desk: agrees with its venue" in capsys.readouterr().out


def test_json_is_one_object_alone(desk, capsys):
    call_command("reconcile", "--json")
    assert json.loads(capsys.readouterr().out) == {"accounts": {"desk": []}, "differences": 0}


@pytest.mark.requirement("LED-06")
def test_a_single_unit_of_cash_is_a_difference(desk):
    venue = PaperAccount.objects.get()
    venue.wallet += Decimal("0.00000001")
    venue.save()

    with pytest.raises(CommandError, match="do not agree"):
        call_command("reconcile")
    assert [difference.what for difference in differences(desk.account)] == ["wallet"]


def test_each_kind_of_difference_is_named(desk):
    Book.objects.filter(pk=desk.book.pk).update(cash=Decimal(1))
    Position.objects.update(quantity=Decimal("0.2"))
    stop = desk.position().orders.get(role="stop")
    stop.state, stop.closed_at = OrderState.CANCELLED, desk.now
    stop.save()

    found = [difference.what for difference in differences(desk.account)]

    assert found == ["cash of desk", "position in BTC/USDT:USDT", f"order {stop.client_id}", "stop of BTC/USDT:USDT"]


def test_a_stop_that_vanished_is_placed_again(desk, capsys):
    stop = desk.position().orders.get(role="stop")
    PaperVenue(desk.account.key, desk.account.feed).cancel(str(stop.client_id))

    call_command("reconcile")

    fresh = desk.position().orders.filter(role="stop", state=OrderState.OPEN).get()
    assert fresh.pk != stop.pk
    assert "agrees" in capsys.readouterr().out


def test_an_unknown_account_is_answered_with_the_ones_there_are(desk):
    with pytest.raises(CommandError, match=r"There is no account «dusk». Accounts: desk\."):
        call_command("reconcile", "dusk")
