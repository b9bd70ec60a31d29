from decimal import Decimal as D

import pytest

from ledger import ordering, protection, reports
from ledger.closing import open_positions
from ledger.models import Order, Role
from ledger.tests import builders
from ledger.tests.desk import Desk

pytestmark = pytest.mark.django_db


def filled(desk):
    """An entry that is filled and booked, and has no stop yet: its own cycle is about to place it."""
    orders = desk.commit(desk.draft())
    answers = ordering.send(account=desk.account, orders=orders)
    reports.collect(account=desk.account, now=desk.now, answers=answers)
    desk.collect()


@pytest.mark.requirement("EXE-04")
def test_a_cycle_does_not_close_what_another_cycle_is_about_to_protect():
    desk = Desk.open()
    filled(desk)
    mine = open_positions(account=desk.account)
    desk.instrument = builders.instrument("ETH/USDT:USDT")
    desk.quote("50000")
    filled(desk)

    assert protection.protect(account=desk.account, positions=mine, now=desk.now)

    assert len(open_positions(account=desk.account)) == 2
    assert not Order.objects.filter(role=Role.EXIT).exists()
    protection.cover(account=desk.account, now=desk.now)
    assert protection.uncovered(desk.account) == []
    assert D(0) not in {position.quantity for position in open_positions(account=desk.account)}
