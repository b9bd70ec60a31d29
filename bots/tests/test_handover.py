"""Cycles reach their workers whatever the broker does, and a market waits for what is not settled."""

from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from bots import cycle, dispatch
from bots.models import Bot, Cycle, CycleStatus
from bots.tests import lockstep
from ledger import heartbeats
from ledger.models import EquityPoint, Order, OrderState
from markets import driving, stream
from markets.models import Feed

pytestmark = pytest.mark.django_db(transaction=True)


def statuses() -> set[str]:
    return set(Cycle.objects.values_list("status", flat=True))


def drive(feed, enqueue=lockstep.inline, seconds=30.0, draining=dispatch.never) -> int:
    """Until one instant has been driven."""

    def enough() -> bool:
        return draining() or Feed.objects.get(pk=feed.pk).market_now > feed.market_now

    return dispatch.drive(
        feed=Feed.objects.get(pk=feed.pk), enqueue=enqueue, until=monotonic() + seconds, draining=enough
    )


@pytest.mark.requirement("BOT-07")
def test_what_the_broker_does_not_take_is_sent_again(monkeypatch):
    feed, tries = lockstep.market(), []
    monkeypatch.setattr(dispatch, "RETRY_SECONDS", 0.01)

    def enqueue(cycle_id):
        tries.append(cycle_id)
        if len(tries) <= 2:
            raise dispatch.NoBroker("Connection refused.")
        lockstep.inline(cycle_id)

    assert drive(feed, enqueue) == 1
    assert statuses() == {CycleStatus.DONE}
    assert len(tries) == 2 + 4


@pytest.mark.requirement("BOT-07")
def test_a_message_that_was_lost_is_sent_again(monkeypatch):
    feed, sent = lockstep.market(), []
    monkeypatch.setattr(dispatch, "RESEND_SECONDS", 0.01)

    def enqueue(cycle_id):
        sent.append(cycle_id)
        if sent.count(cycle_id) == 2:
            lockstep.inline(cycle_id)

    assert drive(feed, enqueue) == 1
    assert statuses() == {CycleStatus.DONE}


@pytest.mark.requirement("BOT-07")
def test_a_slot_that_no_worker_takes_is_skipped_and_the_market_goes_on(monkeypatch):
    feed = lockstep.market()
    monkeypatch.setattr(dispatch, "DEADLINE", timedelta(seconds=0.1))

    assert drive(feed, enqueue=lambda cycle_id: None) == 1

    assert statuses() == {CycleStatus.SKIPPED}
    assert set(Cycle.objects.values_list("error", flat=True)) == {"No worker took this cycle in time."}
    cycle_id = Cycle.objects.values_list("pk", flat=True)[0]
    assert cycle.run(cycle_id=cycle_id) is None


def test_a_driver_that_drains_leaves_the_instant_to_the_next_one(monkeypatch):
    feed, sent = lockstep.market(), []

    assert drive(feed, enqueue=sent.append, draining=lambda: bool(sent)) == 0

    left = Feed.objects.get(pk=feed.pk)
    assert (left.market_now, left.lease_holder, left.lease_until) == (feed.market_now, "", None)
    assert statuses() == {CycleStatus.QUEUED}
    Cycle.objects.update(queued_at=datetime.now(UTC) - timedelta(hours=1))
    assert drive(feed) == 1
    assert statuses() == {CycleStatus.DONE}


def test_a_market_waits_for_an_order_whose_fate_is_open():
    feed = lockstep.market()
    lockstep.drive(feed, 1)
    Order.objects.filter(role="stop").update(state=OrderState.SENDING, sent_at=datetime.now(UTC))
    doubtful = Order.objects.filter(state=OrderState.SENDING)
    assert doubtful.exists()

    assert dispatch.drive(feed=feed, enqueue=lockstep.inline, until=monotonic() + 5) == 0
    assert doubtful.exists()

    doubtful.update(sent_at=datetime.now(UTC) - timedelta(minutes=5))
    assert drive(feed) == 1
    assert not doubtful.exists()


def test_a_cycle_that_breaks_off_leaves_no_order_behind(monkeypatch):
    feed = lockstep.market()

    def breaks_off(**_):
        Order.objects.filter(role="entry").update(state=OrderState.SENDING, sent_at="2025-01-01T00:00Z")
        raise ConnectionError("the database went away")

    monkeypatch.setattr(cycle.ordering, "send", breaks_off)
    assert drive(feed) == 1
    assert CycleStatus.FAILED in statuses()
    assert not Order.objects.filter(state=OrderState.SENDING).exists()
    assert set(Order.objects.values_list("state", flat=True)) == {OrderState.REFUSED}


def test_a_driver_that_lost_its_lease_does_not_move_the_market():
    feed = lockstep.market()

    def slowly(cycle_id):
        lockstep.inline(cycle_id)
        Feed.objects.filter(pk=feed.pk).update(lease_holder="another")

    with driving.lease(feed) as held:
        assert held
        feed.lease_until = datetime.now(UTC)  # it slept
        assert not dispatch.instant(feed=feed, enqueue=slowly)
    assert Feed.objects.get(pk=feed.pk).market_now == feed.market_now


@pytest.mark.parametrize("steps", [0, 2])
def test_who_lost_its_lease_while_cycles_ran_does_nothing_more(monkeypatch, steps):
    feed, settled, real = lockstep.market(), [], dispatch.settle
    monkeypatch.setattr(dispatch, "settle", lambda one: settled.append(one.market_now) or real(one))

    def overtaken(cycle_id):
        lockstep.inline(cycle_id)
        if cycle_id == Cycle.objects.order_by("pk").last().pk:
            Feed.objects.filter(pk=feed.pk).update(lease_holder="another")
            for _ in range(steps):
                stream.step(feed.pk)

    with driving.lease(feed) as held:
        assert held
        assert not dispatch.instant(feed=feed, enqueue=overtaken)
        assert Cycle.objects.filter(status=CycleStatus.DONE).count() == 4

    assert settled == [feed.market_now]
    assert not EquityPoint.objects.exists()


def test_a_driver_never_takes_over_the_lease_of_another():
    feed, real = lockstep.market(), stream.step

    with driving.lease(feed) as held, pytest.MonkeyPatch.context() as patch:
        assert held

        def stepped(pk, **given):
            Feed.objects.filter(pk=pk).update(lease_holder="another")
            return real(pk, **given)

        patch.setattr(dispatch.stream, "step", stepped)
        dispatch.instant(feed=feed, enqueue=lockstep.inline)
        assert not driving.renew(feed, sure=True)
    assert Feed.objects.get(pk=feed.pk).lease_holder == "another"


@pytest.mark.requirement("LED-03")
def test_a_driver_that_wakes_late_does_not_value_an_earlier_instant_with_later_marks(monkeypatch):
    feed, real = lockstep.market(), dispatch.valuation.record
    lockstep.drive(feed, 2)
    at = feed.market_now

    def slept(**given):
        monkeypatch.setattr(dispatch.valuation, "record", real)
        lockstep.drive(Feed.objects.get(pk=feed.pk), 2)
        before = list(EquityPoint.objects.filter(at=at).values_list("book", "equity"))
        assert real(**given) == 0
        assert list(EquityPoint.objects.filter(at=at).values_list("book", "equity")) == before != []

    monkeypatch.setattr(dispatch.valuation, "record", slept)
    dispatch.instant(feed=Feed.objects.get(pk=feed.pk), enqueue=lockstep.inline)

    assert Feed.objects.get(pk=feed.pk).market_now == at + timedelta(minutes=2)


def test_each_tick_is_a_sign_of_life():
    before = datetime.now(UTC)
    dispatch.tick(enqueue=lockstep.inline, seconds=0.0)
    assert heartbeats.last(heartbeats.DISPATCHER) >= before
    assert not Bot.objects.exists()
