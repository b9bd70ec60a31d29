from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from ledger import equity_curve
from ledger.equity_curve import MINUTE, curves, thinned
from ledger.models import Book, EquityPoint
from ledger.tests import builders
from ledger.tests.builders import NOW


def grow(book, equities, start=0):
    for i, equity in enumerate(equities, start):
        builders.equity_point(book, str(equity), at=NOW + timedelta(minutes=i))


def curve(book):
    return curves([book])[book.pk]


@pytest.mark.django_db
def test_a_curve_has_equity_and_growth_on_deposits():
    book = builders.book()
    grow(book, [10000, 10500, "9975"])
    points = curve(book).points
    assert [point.equity for point in points] == [10000, 10500, 9975]
    assert [point.growth for point in points] == [1, 1.05, 0.9975]
    assert points[0].time == NOW.timestamp() * 1000
    assert curve(book).walk.depth == D("0.05")


@pytest.mark.django_db
def test_what_comes_later_is_added_to_what_is_known():
    book = builders.book()
    grow(book, [10000, 11000])
    curve(book)
    grow(book, [9900, 10000], start=2)
    added = curve(book)
    cache.clear()
    assert curve(book) == added
    assert added.walk.depth == D("0.1")


@pytest.mark.django_db
def test_a_deposit_is_no_gain():
    book = builders.book(cash=D(15000), deposited=D(15000))
    grow(book, [10000, 10000])
    builders.cash_entry(book, "10000", at=NOW - timedelta(minutes=1))
    builders.cash_entry(book, "5000", at=NOW + timedelta(minutes=2))
    grow(book, [15000], start=2)
    assert [point.growth for point in curve(book).points] == [1, 1, 1]


@pytest.mark.django_db
def test_more_books_than_a_statement_takes_conditions():
    account = builders.account()
    made = [Book(account=account, owner=account.owner, name=str(n), currency="USDT", deposited=1) for n in range(1100)]
    books = Book.objects.bulk_create(made)
    EquityPoint.objects.bulk_create(
        [EquityPoint(book=book, at=NOW, equity=n + 1, cash=0, exposure=0) for n, book in enumerate(books)]
    )

    found = curves(books)

    assert [found[book.pk].points[-1].equity for book in books] == list(range(1, 1101))


@pytest.mark.django_db
def test_any_number_of_books_takes_two_statements():
    books = [builders.book() for _ in range(4)]
    for book in books:
        grow(book, [10000, 10001])
    with CaptureQueriesContext(connection) as queries:
        curves(books)
    assert len(queries) == 2


@pytest.mark.django_db
def test_no_books_no_points():
    assert curves([]) == {}
    assert curve(builders.book()).points == ()


@given(st.integers(1, 2000), st.integers(0, 2000), st.integers(2, 500))
def test_thinning_in_steps_is_thinning_at_once(count, cut, most):
    points = [(i * MINUTE, i, i) for i in range(count)]
    at_once, width = thinned(points, most)
    before, narrow = thinned(points[:cut], most)
    assert thinned([*before, *points[cut:]], most, narrow) == (at_once, width)
    assert len(at_once) <= most
    assert at_once[-1] == points[-1]


def test_a_long_history_is_cut_to_a_few_hundred_points():
    points = [(i * MINUTE, 1, 1) for i in range(30 * 1440)]
    kept, _ = thinned(points, equity_curve.POINTS)
    assert 200 <= len(kept) <= 400
