"""Whatever order fills arrive in, and however often: the same position, the same cash, the same stops."""

from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import protection, reports
from ledger.domain.intents import Kind
from ledger.models import CashEntry, Order, Position, Trade
from ledger.tests.live_desk import LiveDesk
from markets.domain.orders import Fill, OrderReport
from markets.domain.rounding import ZERO

pytestmark = pytest.mark.django_db


@contextmanager
def undone():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def outcome(desk) -> tuple:
    position = Position.objects.current().filter(account=desk.account).first()
    held = position and (position.quantity, position.cost, position.margin, position.stop, position.long)
    protection.cover(account=desk.account, now=desk.now)
    stops = [(o.trigger, o.quantity) for o in Order.objects.resting().filter(role="stop", account=desk.account)]
    desk.book.refresh_from_db()
    cash = sum(CashEntry.objects.filter(account=desk.account).values_list("amount", flat=True), ZERO)
    filled = sorted(Order.objects.filter(role__in=("entry", "exit")).values_list("client_id", "filled"))
    return held, stops, desk.book.cash, cash, Trade.objects.count(), filled


@pytest.fixture
def told(monkeypatch):
    """A desk whose exchange has filled an entry, half of it again, an add and another exit, and has told nothing."""
    desk = LiveDesk.connect(monkeypatch, capital="50000")
    monkeypatch.setattr(desk.exchange, "held_back", True)
    steps = [(Kind.OPEN, "0.1", "50000"), (Kind.REDUCE, "0.04", "50500"), (Kind.ADD, "0.05", "49800"),
             (Kind.REDUCE, "0.03", "50200")]  # fmt: skip
    sent = []
    for kind, quantity, price in steps:
        desk.exchange.move(price)
        desk.quote(price)
        if kind == Kind.OPEN:
            orders = desk.commit(desk.draft(kind, quantity))
            # What the ledger sees of its position meanwhile is not what this is about.
            Position.objects.filter(account=desk.account).update(
                state="open", quantity=Decimal("0.1"), opened_at=desk.now
            )
        else:
            orders = desk.commit(desk.draft(kind, quantity))
        sent += orders
        from ledger import ordering

        ordering.send(account=desk.account, orders=orders)
    Position.objects.filter(account=desk.account).update(state="opening", quantity=0, opened_at=None)
    fills = [report for report in desk.exchange.log if isinstance(report, Fill)]
    start = fills[0].at
    from dataclasses import replace

    fills = [replace(fill, at=start + timedelta(seconds=n)) for n, fill in enumerate(fills)]
    desk.exchange.log = []
    return desk, fills


@pytest.mark.requirement("LED-04")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_and_any_repetition_of_fills_gives_the_same(told, data):
    desk, fills = told
    with undone():
        reports.collect(account=desk.account, now=desk.now, extra=fills)
        expected = outcome(desk)
        desk.exchange.state = _without_orders(desk)
    arrivals = data.draw(st.permutations([*fills, *fills[: data.draw(st.integers(0, len(fills)))]]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(arrivals)), max_size=3)))
    with undone():
        for begin, end in zip([0, *cuts], [*cuts, len(arrivals)], strict=True):
            reports.collect(account=desk.account, now=desk.now, extra=arrivals[begin:end])
        assert outcome(desk) == expected
        desk.exchange.state = _without_orders(desk)


def _without_orders(desk):
    from dataclasses import replace

    return replace(desk.exchange.state, orders=())


def test_the_scenario_leaves_a_position_with_its_stop(told):
    desk, fills = told
    assert not any(isinstance(report, OrderReport) for report in fills)
    reports.collect(account=desk.account, now=desk.now, extra=fills)

    held, stops, *_ = outcome(desk)

    assert held[0] == Decimal("0.08")
    assert stops == [(Decimal(49000), Decimal("0.08"))]
