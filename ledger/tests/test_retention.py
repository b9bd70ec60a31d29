from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.core.cache import cache

from ledger import equity_curve, retention
from ledger.models import CashEntry, EquityPoint, Intent, Order, Position, Trade
from ledger.tests import builders
from ledger.tests.builders import NOW
from ledger.tests.desk import Desk
from markets.models import PaperReport

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0)


def grow(book, start, count, every=timedelta(minutes=10)):
    """A curve that falls and rises, with its low in the middle of an hour."""
    for number in range(count):
        equity = D(10_000) + (D(50) - abs(number % 40 - 20) * 5 - (3000 if number == 8 else 0))
        builders.equity_point(book, equity, at=start + number * every)


def times(book):
    return list(book.equity_points.order_by("at").values_list("at", flat=True))


@pytest.mark.requirement("OPS-04")
def test_old_points_are_thinned_and_no_figure_changes(alice):
    book = builders.book(alice)
    grow(book, MIDNIGHT - 3 * DAY, 60)
    grow(book, MIDNIGHT, 6)
    drawdown = equity_curve.curves([book])[book.pk].walk
    cache.clear()

    gone = retention.equity_points(days=1, hourly_days=30)

    # The first, the last of each of ten hours, the top, and the two ends of the deepest fall.
    assert gone == 66 - len(times(book))
    assert len([at for at in times(book) if at < MIDNIGHT]) == 14
    assert MIDNIGHT - 3 * DAY + timedelta(minutes=80) in times(book)
    assert equity_curve.curves([book])[book.pk].walk == drawdown


def test_after_long_one_a_day_is_left(alice):
    book = builders.book(alice)
    for day in range(9, 5, -1):
        for hour in (1, 2, 3):
            builders.equity_point(book, at=MIDNIGHT - day * DAY + timedelta(hours=hour))

    retention.equity_points(days=1, hourly_days=5)

    first = MIDNIGHT - 9 * DAY + timedelta(hours=1)
    assert times(book) == [first, *(MIDNIGHT - day * DAY + timedelta(hours=3) for day in range(9, 5, -1))]


def test_a_deposit_is_no_peak_to_keep(alice):
    book = builders.book(alice, cash=D(20_000), deposited=D(20_000))
    builders.cash_entry(book, "10000", at=MIDNIGHT - 5 * DAY)
    builders.cash_entry(book, "10000", at=MIDNIGHT - 4 * DAY + timedelta(minutes=15))
    for number, equity in enumerate([10_000, 11_000, 20_000, 20_000, 20_000]):
        builders.equity_point(book, equity, at=MIDNIGHT - 4 * DAY + number * timedelta(minutes=10))

    retention.equity_points(days=1, hourly_days=30)

    kept = [int(point.equity) for point in book.equity_points.order_by("at")]
    assert kept == [10_000, 11_000, 20_000, 20_000]  # first, peak of growth, foot of the fall, last


def test_a_dry_run_says_the_same_and_removes_nothing(alice):
    book = builders.book(alice)
    grow(book, MIDNIGHT - 3 * DAY, 30)

    said = retention.equity_points(days=1, hourly_days=30, dry_run=True)

    assert len(times(book)) == 30
    assert retention.equity_points(days=1, hourly_days=30) == said
    assert retention.equity_points(days=1, hourly_days=30) == 0


def test_a_day_is_thinned_when_it_is_over_and_not_before(alice):
    book = builders.book(alice)
    grow(book, MIDNIGHT - DAY, 12)

    assert retention.equity_points(days=1, hourly_days=30) == 0


def test_more_points_than_a_batch_go_in_several(alice, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 7)
    book = builders.book(alice)
    grow(book, MIDNIGHT - 3 * DAY, 40)

    gone = retention.equity_points(days=1, hourly_days=30)

    assert gone > 21
    assert EquityPoint.objects.count() == 40 - gone


@pytest.mark.requirement("OPS-04")
def test_reports_go_once_booked_and_old():
    desk = Desk.open()
    desk.trade(desk.draft())
    old = PaperReport.objects.count()
    for _ in range(3):
        desk.move("50000")
    desk.now += 2 * DAY
    desk.move("53500")  # the target fills
    assert PaperReport.objects.count() > old

    assert retention.reports(days=1) == old
    assert retention.reports(days=1) == 0
    assert desk.position() is None


def test_what_is_not_booked_stays_however_old():
    desk = Desk.open()
    desk.trade(desk.draft())
    booked = PaperReport.objects.count()
    PaperReport.objects.create(
        account=PaperReport.objects.first().account, kind="income", ref="late", body={"at": "2020-01-01T00:00:00+00:00"}
    )
    desk.now += 9 * DAY
    type(desk.account.feed).objects.update(market_now=desk.now)

    assert retention.reports(days=1) == booked
    assert PaperReport.objects.get().ref == "late"


def test_the_record_itself_is_never_touched():
    desk = Desk.open()
    desk.trade(desk.draft())
    desk.move("53500")
    kept = [Trade, Order, Position, CashEntry, Intent]
    before = [model.objects.count() for model in kept]
    type(desk.account.feed).objects.update(market_now=desk.now + 999 * DAY)

    retention.equity_points(days=1, hourly_days=1)
    retention.reports(days=1)

    assert [model.objects.count() for model in kept] == before
    assert min(before) > 0
