"""The market and its bots in lock-step: the same seed gives the same trades, and nothing is done twice."""

from datetime import UTC, datetime, timedelta

import pytest

from bots import control, cycle, dispatch
from bots.models import Bot, BotStatus, Cycle, CycleStatus
from bots.tests import lockstep
from ledger import reconciliation, reports, states
from ledger.models import Account, CashEntry, EquityPoint, Order, Position, Trade
from markets.models import Feed

pytestmark = pytest.mark.django_db(transaction=True)


def differences(feed: Feed) -> list[str]:
    found = []
    for account in Account.objects.on(feed):
        reports.collect(account=account, now=feed.market_now)
        found += [str(difference) for difference in reconciliation.differences(account)]
    return found


@pytest.mark.requirement("BOT-02")
def test_bots_trade_by_themselves_and_the_ledger_agrees_with_the_venue():
    feed = lockstep.market()

    lockstep.drive(feed, 60)

    assert Trade.objects.count() > 4
    assert set(Cycle.objects.values_list("status", flat=True)) == {CycleStatus.DONE}
    assert Cycle.objects.count() == 4 * 20
    assert EquityPoint.objects.count() == 4 * 60
    assert differences(feed) == []


@pytest.mark.requirement("MKT-06")
def test_the_same_seed_gives_the_same_trades_to_the_digit():
    first, second = lockstep.market(), lockstep.market(fresh=True)
    lockstep.drive(first, 45)
    lockstep.drive(second, 45)

    assert first.pk != second.pk
    assert lockstep.trades(first) == lockstep.trades(second) != []


def test_a_restart_at_every_instant_changes_nothing():
    steady, restarted = lockstep.market(), lockstep.market(fresh=True)
    lockstep.drive(steady, 30)
    for _ in range(30):
        lockstep.history.forget()
        dispatch.recover(feed=restarted)
        lockstep.drive(Feed.objects.get(pk=restarted.pk), 1)

    assert lockstep.trades(steady) == lockstep.trades(restarted) != []


@pytest.mark.requirement("EXE-03")
def test_a_cycle_delivered_twice_runs_once():
    feed = lockstep.market()
    queued = dispatch.claim_due(feed=feed, now=feed.market_now)

    assert all(cycle.run(cycle_id=one.pk) is not None for one in queued)
    orders = Order.objects.count()
    assert all(cycle.run(cycle_id=one.pk) is None for one in queued)
    assert Order.objects.count() == orders


def test_a_bot_is_claimed_once_for_a_slot():
    feed = lockstep.market()

    assert len(dispatch.claim_due(feed=feed, now=feed.market_now)) == 4
    assert dispatch.claim_due(feed=feed, now=feed.market_now) == []


def test_a_late_bot_runs_for_its_latest_slot_and_counts_the_others():
    feed = lockstep.market()
    late = feed.market_now + timedelta(minutes=10)

    slots = {one.slot for one in dispatch.claim_due(feed=feed, now=late)}

    assert slots == {feed.market_now + timedelta(minutes=9)}
    assert set(Bot.objects.values_list("skipped_slots", flat=True)) == {3}


def test_a_paused_bot_is_left_alone():
    feed = lockstep.market()
    Bot.objects.update(status=BotStatus.PAUSED)

    assert dispatch.claim_due(feed=feed, now=feed.market_now) == []


def test_a_cycle_past_its_deadline_is_ended_and_shut_out():
    feed = lockstep.market()
    queued = dispatch.claim_due(feed=feed, now=feed.market_now)[0]
    started = cycle.begin(queued.pk, timedelta(seconds=-1))

    assert dispatch.end_overdue(feed) == 1
    with pytest.raises((cycle.OutOfTime, cycle.ordering.Superseded)):
        cycle.eleven_steps(started)
    assert not Order.objects.exists()


def test_a_cycle_cut_off_by_a_crash_is_never_run_again():
    feed = lockstep.market()
    cut = dispatch.claim_due(feed=feed, now=feed.market_now)[0]
    cycle.begin(cut.pk, timedelta(minutes=1))

    assert dispatch.recover(feed=feed) == 1
    cut.refresh_from_db()
    assert cut.status == CycleStatus.INTERRUPTED
    lockstep.drive(feed, 1)
    cut.refresh_from_db()
    assert cut.status == CycleStatus.INTERRUPTED


def test_only_one_process_drives_a_feed():
    feed = lockstep.market()

    with dispatch.lease(feed) as first, dispatch.lease(Feed.objects.get(pk=feed.pk)) as second:
        assert (first, second) == (True, False)


@pytest.mark.requirement("RSK-05")
def test_flatten_closes_everything_at_the_next_instant(alice):
    feed = lockstep.market()
    lockstep.drive(feed, 4)
    bot = Bot.objects.get(decider="house:buy_and_hold")
    assert Position.objects.open().filter(book=bot.book).exists()

    control.flatten(bot=bot, by=alice)
    lockstep.drive(feed, 1)

    assert not Position.objects.current().filter(book=bot.book).exists()
    assert not Order.objects.live().filter(book=bot.book).exists()
    bot.refresh_from_db()
    assert (bot.status, bot.book.flatten_requested_at) == (BotStatus.PAUSED, None)
    assert differences(feed) == []


@pytest.mark.requirement("EXE-04")
def test_every_open_position_has_a_resting_stop_after_each_instant():
    feed = lockstep.market()
    for _ in range(40):
        lockstep.drive(feed, 1)
        for position in Position.objects.open():
            stops = position.orders.filter(role="stop", state="open")
            assert sum(order.remaining for order in stops) == abs(position.quantity)


@pytest.mark.requirement("LED-04")
def test_the_journal_of_each_book_is_its_cash():
    feed = lockstep.market()
    lockstep.drive(feed, 30)

    for account in Account.objects.on(feed):
        for book in account.books.all():
            amounts = CashEntry.objects.filter(book=book).values_list("amount", flat=True)
            assert sum(amounts) == book.cash


def test_run_now_queues_one_cycle_for_the_next_instant(alice):
    feed = lockstep.market()
    lockstep.drive(feed, 1)
    bot = Bot.objects.first()

    queued = control.run_now(bot=bot, by=alice)
    with pytest.raises(control.NotPossible, match="already due"):
        control.run_now(bot=bot, by=alice)
    lockstep.drive(feed, 2)

    queued.refresh_from_db()
    assert (queued.status, queued.trigger) == (CycleStatus.DONE, "person")
    assert queued.slot < datetime.now(UTC)


@pytest.mark.requirement("RSK-05")
def test_a_halt_while_the_decider_thinks_stops_its_entries(monkeypatch, alice):
    from bots import deciders

    class Slow:
        remote = False

        def __init__(self, inner):
            self.inner = inner

        def decide(self, briefing):
            answer = self.inner.decide(briefing)
            states.change(scope=None, state="halted", reason="panic", by=alice)
            return answer

    real = deciders.get
    monkeypatch.setattr(deciders, "get", lambda name: Slow(real(name)))
    feed = lockstep.market()
    lockstep.drive(feed, 1)

    assert not Trade.objects.exists()
    assert not Order.objects.exists()


@pytest.mark.requirement("BKT-02")
def test_what_the_last_candle_of_a_market_does_is_booked():
    feed = lockstep.market()
    end = feed.market_now + timedelta(minutes=6)
    Feed.objects.filter(pk=feed.pk).update(ends_at=end, finished=False)
    lockstep.drive(feed, 5)
    Feed.objects.filter(pk=feed.pk).update(finished=True)
    Position.objects.open().update(expires_at=feed.market_now)

    dispatch.tick(enqueue=lockstep.inline, seconds=0.2)

    assert not Position.objects.open().exists()
    assert EquityPoint.objects.order_by("at").last().at == Feed.objects.get(pk=feed.pk).market_now
    assert differences(Feed.objects.get(pk=feed.pk)) == []


def test_an_equity_point_tells_what_the_guardian_did_after_the_cycle(monkeypatch):
    feed = lockstep.market()
    lockstep.drive(feed, 3)
    real, calls = dispatch.settle, []

    def settle(one):
        calls.append(one)
        if len(calls) == 2:
            Position.objects.open().update(expires_at=one.market_now)
        real(one)

    monkeypatch.setattr(dispatch, "settle", settle)
    at = feed.market_now
    lockstep.drive(feed, 1)

    assert len(calls) == 2
    for point in EquityPoint.objects.filter(at=at).select_related("book"):
        amounts = CashEntry.objects.filter(book=point.book, at__lte=at).values_list("amount", flat=True)
        assert (point.cash, point.exposure) == (sum(amounts), 0)


def test_a_driver_that_slept_does_not_step_the_market_again(monkeypatch):
    feed = lockstep.market()
    sleeper, start, real = Feed.objects.get(pk=feed.pk), feed.market_now, dispatch.stream.step

    def late(pk, **given):
        monkeypatch.setattr(dispatch.stream, "step", real)
        dispatch.instant(feed=feed, enqueue=lockstep.inline)
        return real(pk, **given)

    monkeypatch.setattr(dispatch.stream, "step", late)
    dispatch.instant(feed=sleeper, enqueue=lockstep.inline)

    assert Feed.objects.get(pk=feed.pk).market_now - start == timedelta(minutes=1)


def test_nothing_is_announced_before_it_is_committed(monkeypatch):
    from django.db import connection

    from markets import broadcast

    inside = []
    monkeypatch.setattr(broadcast, "_announce", lambda group, ids: inside.append(connection.in_atomic_block))
    lockstep.drive(lockstep.market(), 2)

    assert inside
    assert not any(inside)
