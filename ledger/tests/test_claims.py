"""Of many who want to send an order one may, on every database; who is shut out does not commit; all are heard."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import pytest
from django.db import connection
from django.db.models import F

from ledger import ordering, states, valuation
from ledger.models import Book, Order, OrderState, Source, TradingState
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


@pytest.mark.requirement("EXE-03")
def test_a_fence_does_not_move_on_between_its_check_and_the_commit():
    desk, order_of_events = Desk.open(), []
    inside = Event()

    def decide():
        with ordering.locked(book=desk.book, seen=seen, cause=cause):
            inside.set()
            shut_out.join(1)  # it has to wait for us
            order_of_events.append("committed")

    def end():
        inside.wait(30)
        Book.objects.filter(pk=desk.book.pk).update(fence=F("fence") + 1)
        order_of_events.append("shut out")
        connection.close()

    seen = valuation.account_portfolio(account=desk.account)
    cause = ordering.Cause(Source.DECISION, "cycle:1", desk.now, desk.book.fence)
    shut_out = Thread(target=end)
    shut_out.start()
    decide()
    shut_out.join(30)

    assert order_of_events == ["committed", "shut out"]


@pytest.mark.requirement("RSK-05")
def test_the_last_of_two_switches_pressed_at_once_holds():
    for number in range(10):
        wanted = ["reduce_only", "halted"]
        together(lambda state: states.change(scope=None, state=state, reason="pressed", by=None), wanted)
        assert TradingState.objects.current().get().state in wanted, number
        assert TradingState.objects.filter(state__in=wanted).count() >= 2
        TradingState.objects.all().delete()
