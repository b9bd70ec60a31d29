"""Of many who want to send an order one may, on every database; of two who press a switch both are heard."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from ledger import ordering, states
from ledger.models import Order, OrderState, TradingState
from ledger.tests.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 4


def together(work, arguments):
    """Run `work` for every argument at the same moment, each on a connection of its own."""
    start = Barrier(len(arguments))

    def one(argument):
        start.wait()
        try:
            return work(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(one, arguments))


@pytest.mark.requirement("EXE-03")
def test_an_order_is_claimed_once_however_many_want_it():
    desk = Desk.open()
    order = desk.commit(desk.draft())[0]
    for _ in range(25):
        Order.objects.filter(pk=order.pk).update(state=OrderState.PLANNED)
        assert sum(together(ordering.claim, [order] * AT_ONCE)) == 1


@pytest.mark.requirement("RSK-05")
def test_the_last_of_two_switches_pressed_at_once_holds():
    for number in range(10):
        wanted = ["reduce_only", "halted"]
        together(lambda state: states.change(scope=None, state=state, reason="pressed", by=None), wanted)
        assert TradingState.objects.current().get().state in wanted, number
        assert TradingState.objects.filter(state__in=wanted).count() >= 2
        TradingState.objects.all().delete()
