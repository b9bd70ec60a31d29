from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ledger.models import CashEntry, CashKind, Position
from ledger.tests import builders
from ledger.tests.builders import NOW
from ledger.track_record import record

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("LED-05")]


@pytest.fixture
def book():
    cache.clear()
    made = builders.book(deposited=D(10_000))
    builders.cash_entry(made, "10000", at=NOW)
    return made


def close(book, net, hours, **fields):
    """A position that closed so many hours after NOW, with its entry in the journal."""
    at = NOW + timedelta(hours=hours)
    position = builders.closed_position(book, net, closed_at=at, opened_at=at - timedelta(hours=1), **fields)
    builders.cash_entry(book, net, kind=CashKind.REALISED, position=position, at=at)
    return position


def afresh(book):
    cache.clear()
    return record(book)


def test_a_record_has_both_sides(book):
    close(book, "100", 1, fees=D(5))
    close(book, "-40", 30)
    for hours, equity in ((1, 10_050), (10, 10_200), (30, 10_060)):
        builders.equity_point(book, str(equity), at=NOW + timedelta(hours=hours), exposure=D(5025))
    found = record(book)
    assert (found.positions.positions, found.positions.totals.net) == (2, D(55))
    assert found.on_equity.days == found.on_closed.days == 2
    assert found.on_equity.total_return == pytest.approx(0.006)
    assert found.on_closed.total_return == pytest.approx(0.0055)
    assert found.on_closed.best_day == pytest.approx(0.0095)
    assert found.invested == 1
    assert found.exposure == pytest.approx(((5025 / 10050 + 5025 / 10200) / 2 + 5025 / 10060) / 2)
    assert found.turnover == pytest.approx((10100 + 9960) / ((10200 + 10060) / 2) / 2)


def test_an_empty_book_has_a_record(book):
    found = record(book)
    assert (found.positions.positions, found.on_equity.days, found.exposure) == (0, 0, None)


def test_what_closes_later_is_added_and_nothing_read_twice(book):
    close(book, "100", 1)
    builders.equity_point(book, "10100", at=NOW)
    first = record(book)
    close(book, "-40", 2)
    close(book, "7", 2)
    builders.equity_point(book, "10067", at=NOW + timedelta(days=1))
    with CaptureQueriesContext(
        connection,
    ) as statements:
        second = record(book)
    assert len(statements) <= 6
    assert (first.positions.positions, second.positions.positions) == (1, 3)
    assert second == afresh(book)
    assert record(book) == second


def test_a_change_of_what_was_read_is_seen(book):
    early = close(book, "100", 1)
    close(book, "50", 2)
    record(book)
    Position.objects.filter(pk=early.pk).update(realised=D(70))
    builders.cash_entry(book, "-30", kind=CashKind.LIQUIDATION, position=early, at=NOW + timedelta(hours=1))
    assert record(book).positions.totals.net == D(120)
    assert record(book) == afresh(book)


def test_one_that_closed_earlier_but_was_booked_later_takes_its_place(book):
    close(book, "100", 5)
    record(book)
    close(book, "-30", 2)
    found = record(book)
    assert found.positions.current_streak == 1
    assert found == afresh(book)


def test_those_that_closed_in_one_second_follow_each_other_by_their_ids(book):
    for net in ("10", "20", "-5", "-6", "-7"):
        close(book, net, 1)
    assert (afresh(book).positions.winning_streak, afresh(book).positions.current_streak) == (2, -3)
    close(book, "9", 1)
    assert record(book) == afresh(book)
    assert record(book).positions.current_streak == 1


def test_the_last_day_grows(book):
    builders.equity_point(book, "10000", at=NOW)
    record(book)
    builders.equity_point(book, "10300", at=NOW + timedelta(hours=1))
    assert record(book).on_equity.total_return == pytest.approx(0.03)


def test_an_opening_that_never_filled_is_no_position(book):
    close(book, "100", 1)
    builders.closed_position(book, "0", opened_at=None)
    assert record(book).positions.positions == 1
    assert CashEntry.objects.filter(book=book).count() == 2
