import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.keyset import BEYOND, Place, newest
from ledger.models import Book, Trade
from ledger.tests import builders
from ledger.tests.builders import NOW


def place_of(trade, **fields):
    return Place(trade.pk, trade.at, **fields)


def read(owners, size, *, by="at", back_from=None):
    """All trades page by page, as whoever follows the cursors reads them."""
    pages, place = [], back_from
    while True:
        page = list(newest(Trade.objects.all(), place, size, by=by, through="book", owners=owners))
        if not page:
            return pages
        pages.append(page)
        back = place is not None and place.back
        place = Place(page[-1].pk, page[-1].at if by == "at" else None, back=back)


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["at", "id"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 50])
def test_pages_of_several_books_lead_through_every_row_once(alice, bob, by, size):
    books, foreign = [builders.book(alice) for _ in range(3)], builders.book(bob)
    # Unevenly filled, out of the order of time, and with many at the same instant.
    for number in range(17):
        at = NOW + timedelta(minutes=number * 7 % 5)
        builders.trade(books[number % 5 % 3], at=at)
        builders.trade(foreign, at=at)
    key = (lambda trade: (trade.at, trade.pk)) if by == "at" else (lambda trade: trade.pk)
    wanted = sorted(Trade.objects.filter(book__in=books), key=key, reverse=True)

    pages = read(Book.objects.of(alice), size, by=by)

    assert [trade for page in pages for trade in page] == wanted
    assert {len(page) for page in pages[:-1]} <= {size}


@pytest.mark.django_db
def test_reading_back_gives_the_same_rows_oldest_first(alice):
    books = [builders.book(alice) for _ in range(2)]
    made = [builders.trade(books[number % 2], at=NOW + timedelta(minutes=number // 3)) for number in range(9)]

    back = Place(made[3].pk, made[3].at, back=True)
    pages = read(Book.objects.of(alice), 2, back_from=back)

    assert [trade for page in pages for trade in page] == made[4:]


@pytest.mark.django_db
def test_nobody_has_no_rows(alice, bob):
    builders.trade(builders.book(bob))
    assert list(newest(Trade.objects.all(), None, 5, through="book", owners=Book.objects.of(alice))) == []


@pytest.mark.django_db
def test_a_page_takes_two_statements_for_any_number_of_books(alice, django_assert_num_queries):
    for _ in range(5):
        builders.trade(builders.book(alice))
    with django_assert_num_queries(2):
        list(newest(Trade.objects.all(), None, 3, through="book", owners=Book.objects.of(alice)))


@given(
    st.integers(0, BEYOND),
    st.datetimes(timezones=st.just(NOW.tzinfo)),
    st.sampled_from(["", "trade"]),
    st.booleans(),
)
def test_a_cursor_names_its_place(number, at, kind, back):
    place = Place(number, at, kind, back)
    assert Place.of(place.cursor, timed=True, kinds=("", "trade")) == place


def written(*parts):
    return urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "é", "", "AAAA", written(1), written(1, 2, 3, 4), written(1, "soon", "", False),
        written(-1, "2025-05-01T12:00:00+00:00", "", False), written(2**63, "2025-05-01T12:00:00+00:00", "", False),
        written(1, "2025-05-01T12:00:00", "", False), written("a", None, "", False), written(1, None, "", False),
        written(float("inf"), "2025-05-01T12:00:00+00:00", "", False),
        written(1, "0001-01-01T00:00:00+23:59", "", False), written(1, "9999-12-31T23:59:59-23:59", "", False),
        "[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(ValueError, match="cursor"):
        Place.of(cursor, timed=True)


def test_the_cursor_of_a_list_by_id_is_none_of_a_list_by_time():
    with pytest.raises(ValueError, match="another list"):
        Place.of(Place(1, NOW).cursor, timed=False)


def test_the_cursor_of_a_merged_list_is_none_of_a_list_of_one_kind():
    assert Place.of(Place(1, NOW, "trade").cursor, timed=True, kinds=("trade", "order")).kind == "trade"
    for kind, kinds in {"trade": ("",), "": ("trade",), "gossip": ("trade",)}.items():
        with pytest.raises(ValueError, match="another list"):
            Place.of(Place(1, NOW, kind).cursor, timed=True, kinds=kinds)
