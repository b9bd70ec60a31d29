"""A laboratory that cannot fail is worthless: each planted fault is found, and a sound ledger is not accused."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db.models import F

from bots.models import Bot, Cycle, CycleStatus, Decision
from bots.tests import rows
from faults import invariants, watch
from ledger import ordering, protection, reports, states
from ledger.domain.intents import Kind
from ledger.models import CashEntry, Intent, Order, OrderState, Trade
from ledger.tests import builders
from ledger.tests.desk import Desk
from markets.models import PaperAccount, PaperOrder, PaperPosition, PaperReport

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk() -> Desk:
    """A bot that has decided once, with the position that followed: entry filled, stop and target at the venue."""
    desk = Desk.open()
    bot = rows.bot(book=desk.book, status="running", next_run_at=desk.now + 3 * MINUTE)
    cycle = rows.cycle(bot, slot=desk.now)
    rows.decision(cycle=cycle, items=0)
    trade(desk, cycle, desk.draft())
    return desk


def trade(desk, cycle, draft):
    orders = desk.commit(draft, reference=f"cycle:{cycle.pk}")
    answers = ordering.send(account=desk.account, orders=orders)
    reports.collect(account=desk.account, now=desk.now, answers=answers)
    protection.cover(account=desk.account, now=desk.now)
    desk.collect()


def broken(desk) -> str:
    return "\n".join(invariants.broken(desk.account.feed))


def again(row, **changes):
    """A copy of a row, with these columns changed."""
    row.pk = None
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(force_insert=True)


def test_nothing_is_amiss_where_nothing_was_planted(desk):
    assert broken(desk) == ""
    trade(desk, Cycle.objects.get(), desk.draft(Kind.CLOSE))
    assert broken(desk) == ""


def fill_unbooked(desk):
    Trade.objects.update(venue_trade_id="another")


def position_moved(desk):
    PaperPosition.objects.update(quantity=Decimal("0.11"))


def trade_lost(desk):
    CashEntry.objects.filter(trade__isnull=False).delete()
    Trade.objects.all().delete()


def stop_gone(desk):
    PaperOrder.objects.filter(type="stop").delete()


def stop_too_small(desk):
    PaperOrder.objects.filter(type="stop").update(quantity=Decimal("0.09"))


def stop_on_the_wrong_side(desk):
    PaperOrder.objects.filter(type="stop").update(side="buy")


def position_gone(desk):
    PaperPosition.objects.all().delete()


def order_doubled(desk):
    again(PaperOrder.objects.get(type="market"))


def order_never_committed(desk):
    again(PaperOrder.objects.get(type="market"), client_id=str(uuid4()))


def entry_doubled(desk):
    again(Order.objects.get(role="entry"), client_id=uuid4())


def stop_doubled(desk):
    again(Order.objects.get(role="stop"), client_id=uuid4())


def filled_too_much(desk):
    Order.objects.filter(role="entry").update(filled=F("quantity") * 2)


def wallet_moved(desk):
    PaperAccount.objects.update(wallet=F("wallet") + Decimal("0.00000001"))


def entry_of_cash_lost(desk):
    CashEntry.objects.filter(kind="fee").delete()


def slot_without_cycle(desk):
    Bot.objects.update(next_run_at=F("next_run_at") + timedelta(minutes=3))


def decision_lost(desk):
    Decision.objects.all().delete()


def two_fences(desk):
    again(Intent.objects.get(kind="open"), key=uuid4(), fence=7)


def decided_late(desk):
    Decision.objects.update(at=desk.now + MINUTE)


def traded_late(desk):
    Trade.objects.update(at=desk.now + MINUTE)


def cycle_stuck(desk):
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    rows.cycle(Bot.objects.get(), status=CycleStatus.RUNNING, queued_at=hour_ago, ended_at=None)


def order_on_its_way(desk):
    Order.objects.filter(role="target").update(state=OrderState.SENDING)


def opening_without_order(desk):
    other = builders.instrument("ETH/USDT:USDT")
    builders.quote(other, feed=desk.account.feed)
    builders.position(desk.book, instrument=other, state="opening", quantity="0", opened_at=None)


def failed_in_silence(desk):
    Cycle.objects.update(status=CycleStatus.FAILED)


def refused_in_silence(desk):
    again(Order.objects.get(role="target"), client_id=uuid4(), state=OrderState.REFUSED, closed_at=desk.now)


def halted(desk):
    states.change(scope=desk.account, state="halted", reason="It does not agree.", by=None)


PLANTED = {
    fill_unbooked: "not booked",
    position_moved: "trades and position differ by -0.01",
    trade_lost: "trades and position differ by -0.1",
    stop_gone: "with stops for 0 only",
    stop_too_small: "with stops for 0.09 only",
    stop_on_the_wrong_side: "with stops for 0 only",
    position_gone: "rests at the venue without a position",
    order_doubled: "was sent 2 times",
    order_never_committed: "was never committed",
    entry_doubled: "2 orders of role entry",
    stop_doubled: "live stop orders",
    filled_too_much: "filled 0.2",
    wallet_moved: "the venue's wallet and positions",
    entry_of_cash_lost: "wallet: the ledger says",
    slot_without_cycle: "1 cycles and 0 skipped slots of 2",
    decision_lost: "have no decision",
    two_fences: "under 2 fencing numbers",
    decided_late: "decided at 12:01",
    traded_late: "later than its order",
    cycle_stuck: "has been running since",
    order_on_its_way: "has been sending for",
    opening_without_order: "is opening, and no order of it is alive",
    failed_in_silence: "does not say why",
    refused_in_silence: "was refused and does not say why",
    halted: "Trading is halted",
}


@pytest.mark.requirement("OPS-03")
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(desk, plant):
    plant(desk)

    assert PLANTED[plant] in broken(desk)


def test_what_the_ledger_has_not_heard_of_is_found(desk):
    PaperReport.objects.filter(kind="fill").update(ref="another")

    assert "is not booked" in broken(desk)
    assert "is no fill" in broken(desk)


@pytest.mark.parametrize(
    ("plant", "said"),
    [(stop_gone, "with stops for 0"), (position_gone, "without a position"), (cycle_stuck, "is running")],
)
def test_the_driver_of_the_market_writes_down_what_it_leaves_behind(desk, plant, said, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "CONTROL", tmp_path)
    feed, found = desk.account.feed, tmp_path / watch.FOUND

    watch.note(feed.pk, feed.market_now)
    assert not found.exists()
    plant(desk)
    Cycle.objects.filter(status="running").update(slot=feed.market_now - MINUTE)
    watch.note(feed.pk, feed.market_now - MINUTE)  # it has slept, and another one is at work
    assert not found.exists()
    watch.note(feed.pk, feed.market_now)

    assert said in found.read_text()
    assert "The market moved on from 12:00" in found.read_text()
