"""The guardian leaves nothing behind: no naked position, no order without a purpose, no loop."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ledger import guardian, ordering, reports, states
from ledger.closing import close_all, open_positions
from ledger.domain.intents import Kind
from ledger.gateway import venue_of
from ledger.models import Order, OrderState, Position, Role, TradingStateKind
from ledger.reconciliation import differences
from ledger.tests.desk import Desk

pytestmark = pytest.mark.django_db


def resting(desk: Desk) -> list[str]:
    return sorted(order.type for order in venue_of(desk.account).open_orders())


@pytest.mark.requirement("EXE-04")
def test_a_resting_add_goes_with_its_position():
    desk = Desk.open(capital="50000")
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.ADD, limit=Decimal(49500)))
    desk.trade(desk.draft(Kind.CLOSE))

    desk.move("50000")

    assert resting(desk) == []
    desk.move("45000")
    assert venue_of(desk.account).positions() == []


@pytest.mark.requirement("EXE-04")
def test_an_add_that_fills_after_its_position_closed_is_covered_or_closed():
    desk = Desk.open(capital="50000")
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.ADD, limit=Decimal(49500)))
    desk.move("53100", sweep=False)
    desk.move("49400")

    position = desk.position()
    assert (position.intent is None, position.stop) == (False, Decimal(49000))
    assert differences(desk.account) == []
    desk.move("48000")
    assert desk.position() is None
    assert differences(desk.account) == []


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_was_never_sent_ends_with_its_position():
    desk = Desk.open()
    desk.trade(desk.draft())
    [position] = open_positions(account=desk.account)
    unsent = ordering.protective(
        position=position, role=Role.STOP, trigger=Decimal(49500), quantity=Decimal("0.1"), replaces=None, at=desk.now
    )  # its process died here
    desk.trade(desk.draft(Kind.CLOSE))
    assert differences(desk.account) != []

    guardian.sweep(feed=desk.account.feed, now=desk.now)

    unsent.refresh_from_db()
    assert (unsent.state, unsent.reason) == (OrderState.REFUSED, "Its position closed before it was sent.")
    assert differences(desk.account) == []


def test_an_order_that_is_being_sent_is_not_dropped():
    desk = Desk.open()
    order = desk.commit(desk.draft())[0]
    ordering.claim(order)

    ordering.drop(orders=[order], now=desk.now)

    order.refresh_from_db()
    assert order.state == OrderState.SENDING


@pytest.mark.requirement("EXE-04")
def test_a_guardian_that_slept_leaves_alone_what_came_after():
    desk = Desk.open(capital="50000")
    desk.trade(desk.draft())
    seen = open_positions(account=desk.account)
    due = {seen[0].pk: "time limit"}
    desk.trade(desk.draft(Kind.CLOSE))

    assert close_all(account=desk.account, reasons=due, of=seen, now=desk.now) == 0
    desk.trade(desk.draft())
    assert close_all(account=desk.account, reasons=due, of=seen, now=desk.now) == 0

    assert desk.position().quantity == Decimal("0.1")
    assert differences(desk.account) == []


def test_an_order_that_may_still_be_on_its_way_is_not_written_off():
    desk = Desk.open()
    order = desk.commit(desk.draft())[0]
    ordering.claim(order)

    reports.resolve(account=desk.account, now=desk.now)
    order.refresh_from_db()
    assert order.state == OrderState.SENDING

    venue_of(desk.account).send(ordering._request(order, datetime.now(UTC) + ordering.RECEIVE_WINDOW))
    desk.move("50000")
    assert desk.position().intent is not None
    assert differences(desk.account) == []


def test_a_refused_target_does_not_loop():
    desk = Desk.open()
    desk.trade(desk.draft(limit=Decimal(49500), target=Decimal(50000)))
    desk.move("49400", sweep=False)
    desk.quote("50500")
    for _ in range(10):
        desk.move("50500")

    assert Order.objects.filter(role="target").count() <= 1
    assert desk.position() is None
    assert Position.objects.closed().get().net > 0
    assert differences(desk.account) == []


def test_a_stop_stays_until_its_successor_rests():
    desk = Desk.open()
    desk.trade(desk.draft())
    first = Order.objects.get(role="stop")
    desk.commit(desk.draft(Kind.ADJUST_EXITS, "0", stop=Decimal("49500.05")))  # off the tick: the venue refuses it

    desk.move("50000")

    first.refresh_from_db()
    assert first.state == OrderState.OPEN or desk.position() is None
    assert differences(desk.account) == []


def test_an_entry_whose_time_has_passed_is_cancelled():
    desk = Desk.open()
    desk.trade(desk.draft(limit=Decimal(49500), expires_at=desk.now + timedelta(minutes=2)))
    desk.move("50000")
    assert resting(desk) == ["limit"]
    desk.move("50000")
    assert resting(desk) == []
    assert desk.position() is None


def test_an_entry_is_cancelled_after_an_hour_at_the_latest():
    desk = Desk.open()
    desk.trade(desk.draft(limit=Decimal(49500)))
    desk.now += timedelta(minutes=60)
    desk.move("50000")
    assert resting(desk) == []


@pytest.mark.requirement("RSK-05")
@pytest.mark.parametrize("state", [TradingStateKind.HALTED, TradingStateKind.REDUCE_ONLY])
def test_where_trading_is_limited_no_entry_rests_and_none_is_sent(state):
    desk = Desk.open()
    desk.trade(desk.draft(limit=Decimal(49500)))
    states.change(scope=None, state=state, reason="panic", by=None)
    desk.move("50000")
    assert resting(desk) == []

    orders = desk.commit(desk.draft())
    assert ordering.send(account=desk.account, orders=orders) == {}


@pytest.mark.requirement("EXE-04")
def test_seconds_without_a_stop_are_measured():
    desk = Desk.open()
    desk.trade(desk.draft(limit=Decimal(49500), stop=Decimal(48000)))
    desk.move("49400", sweep=False)
    desk.move("49400", sweep=False)
    assert desk.position().unprotected_since is not None
    desk.move("49400")

    position = desk.position()
    assert position.unprotected_since is None
    assert position.unprotected_seconds == 120
