from dataclasses import replace
from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import locking
from bots.models import CycleStatus
from bots.tests import rows
from ledger import alerts, valuation
from ledger.models import Alert, CashKind, Lock
from ledger.tests import builders
from ledger.tests.builders import NOW
from ledger.tests.desk import Desk
from markets.models import Feed, PaperAccount

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("RSK-03")]


@pytest.fixture
def bot(alice):
    builders.quote()
    return rows.bot(alice)


def ago(**span):
    return NOW - timedelta(**span)


def stopped(bot, minutes, realised="-20", **fields):
    at = ago(minutes=minutes)
    return builders.closed_position(
        bot.book, realised, closed_at=at, opened_at=at - timedelta(hours=1), exit_reason="stop", **fields
    )


def holding(bot, now=NOW, **limits):
    for name, value in limits.items():
        setattr(bot.policy, name, value)
    own = valuation.account_portfolio(account=bot.book.account).books[bot.book_id]
    return locking.holding(bot=bot, portfolio=own, now=now)


def test_losses_lock_once_and_survive(bot):
    for minutes in (90, 60, 30):
        stopped(bot, minutes)
    [first] = holding(bot, max_loss_streak=3, stop_guard_count=0, stop_guard_instrument_count=0)
    assert (first.kind, first.until) == ("loss_streak", ago(minutes=30) + timedelta(minutes=120))
    stored = Lock.objects.get()
    assert (stored.kind, stored.until, stored.value, stored.at) == ("loss_streak", first.until, 3, NOW)
    assert "3 losses in a row" in stored.reason
    assert [replace(one) for one in holding(bot)] == [first]
    assert Lock.objects.count() == 1


def test_it_takes_one_statement_where_nothing_is_new(bot):
    stopped(bot, 30)
    own = valuation.account_portfolio(account=bot.book.account).books[bot.book_id]
    locking.holding(bot=bot, portfolio=own, now=NOW)
    with CaptureQueriesContext(connection) as queries:
        locking.holding(bot=bot, portfolio=own, now=NOW)
    assert len(queries) == 1


def test_a_lock_ends_by_itself(bot):
    for minutes in (90, 60, 30):
        stopped(bot, minutes)
    assert holding(bot, max_loss_streak=3)
    assert holding(bot, now=NOW + timedelta(minutes=90)) == ()


def test_a_lifted_lock_stays_lifted(bot, alice):
    for minutes in (90, 60, 30):
        stopped(bot, minutes)
    holding(bot, max_loss_streak=3, stop_guard_count=0, stop_guard_instrument_count=0)
    assert locking.lift(lock=Lock.objects.get(), by=alice, now=NOW)
    assert not locking.lift(lock=Lock.objects.get(), by=alice, now=NOW)
    assert holding(bot) == ()
    assert Lock.objects.get().lifted_by == alice


def test_a_lock_that_a_person_or_another_part_wrote_holds_too(bot):
    until = NOW + timedelta(hours=1)
    Lock.objects.create(
        book=bot.book, kind="cooldown", symbol="X", side="short", reason="By hand.", at=NOW, until=until
    )
    [lock] = holding(bot)
    assert (lock.kind, lock.symbol, lock.side, lock.reason, lock.limit) == ("cooldown", "X", "short", "By hand.", None)


def test_the_day_and_the_peak_are_told_from_points_of_equity(bot):
    builders.equity_point(bot.book, "12000", at=ago(hours=20))
    builders.equity_point(bot.book, "10600", at=NOW.replace(hour=0, minute=0))
    found = {one.kind: one.value for one in holding(bot, max_daily_loss=D("0.05"), max_drawdown=D("0.1"))}
    assert found == {"daily_loss": D(600) / 10600, "drawdown": D(2000) / 12000}


def test_a_withdrawal_is_no_loss(bot):
    builders.equity_point(bot.book, "12000", at=NOW.replace(hour=0, minute=0))
    builders.cash_entry(bot.book, "-2000", kind=CashKind.TRANSFER, at=ago(hours=1))
    assert holding(bot, max_daily_loss=D("0.05"), max_drawdown=D("0.1")) == ()


def test_trades_of_today_are_counted_with_the_open_ones(bot):
    builders.position(bot.book, opened_at=ago(hours=1))
    stopped(bot, 100, "20")
    assert holding(bot, max_trades_per_day=3) == ()
    [lock] = holding(bot, max_trades_per_day=2)
    assert (lock.kind, lock.until) == ("trades_per_day", NOW.replace(hour=0, minute=0) + timedelta(days=1))


def test_an_opening_that_never_filled_is_no_trade(bot):
    """As in freqtrade, whose protections look at closed trades alone: an order that never filled was none."""
    builders.closed_position(
        bot.book, "0", closed_at=ago(minutes=1), opened_at=None, entry_value=D(0), exit_reason="not filled"
    )
    assert holding(bot, cooldown_minutes=30, max_trades_per_day=1) == ()


def test_cycles_that_fail_in_a_row(bot):
    rows.cycle(bot, slot=ago(minutes=40), status=CycleStatus.FAILED)
    rows.cycle(bot, slot=ago(minutes=30), status=CycleStatus.DONE)
    rows.cycle(bot, slot=ago(minutes=20), status=CycleStatus.FAILED)
    rows.cycle(bot, slot=ago(minutes=10), status=CycleStatus.FAILED)
    assert holding(bot, max_failures=3) == ()
    [lock] = holding(bot, max_failures=2)
    assert (lock.kind, lock.until) == ("failures", ago(minutes=10) + timedelta(minutes=120))


def test_what_happened_to_other_books_counts_for_nothing(bot, alice):
    other = rows.bot(alice)
    for minutes in (90, 60, 30):
        stopped(other, minutes)
    assert holding(bot, max_loss_streak=1, cooldown_minutes=60) == ()


@pytest.mark.requirement("RSK-03")
def test_entries_that_the_venue_refuses_for_want_of_funds_end_in_a_lock(alice):
    """The venue's wallet is thinner than the ledger believes: two refusals lock the instrument."""
    desk = Desk.open()
    bot = rows.bot(alice, book=desk.book, instruments=[desk.instrument])
    PaperAccount.objects.filter(key=desk.account.key).update(wallet=D(1))
    for _ in range(2):
        assert holding(bot, now=desk.now) == ()
        assert desk.trade(desk.draft()).state == "refused"
    assert desk.position() is None
    [lock] = holding(bot, now=desk.now)
    assert (lock.kind, lock.symbol, lock.value) == ("refused_entries", desk.instrument.symbol, 2)
    assert Lock.objects.get().reason.startswith("The venue refused 2 entries")

    Feed.objects.filter(pk=desk.account.feed_id).update(running=True, market_now=desk.now)
    alerts.refresh(wall=NOW)
    alerts.refresh(wall=NOW)
    [alert] = Alert.objects.all()
    assert (alert.kind, alert.book, alert.resolved_at) == ("lock", desk.book, None)
    assert "The venue refused 2 entries" in alert.sentence
    Feed.objects.filter(pk=desk.account.feed_id).update(market_now=lock.until)
    alerts.refresh(wall=NOW)
    assert Alert.objects.get().resolved_at == NOW
