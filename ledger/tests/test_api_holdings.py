from decimal import Decimal as D
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from ledger.tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def get(api, resource, **query):
    answer = api.get(f"/api/v1/{resource}/?{urlencode(query)}")
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


@pytest.mark.requirement("API-01")
@pytest.mark.requirement("LED-01")
def test_a_book_tells_what_it_is_worth_and_has_free(api, alice):
    builders.quote(price="51000")
    book = builders.book(alice, name="trend")
    builders.position(book)
    builders.order(book, reserved=D(100), quantity=D("0.1"), price=D(40000))

    [row] = get(api, "books")

    assert (row["id"], row["account"], row["name"], row["kind"]) == (book.pk, book.account_id, "trend", "bot")
    assert (row["cash"], row["unrealised"], row["equity"], row["deposited"]) == ("10000", "100", "10100", "10000")
    assert (row["margin"], row["reserved"], row["available"]) == ("2500", "100", "7400")
    assert (row["exposure"], row["positions"], row["state"]) == ("9100", 1, "active")


def test_the_strictest_state_is_told(api, alice):
    book, other = builders.book(alice), builders.book(alice)
    builders.state(f"account:{book.account_id}", "reduce_only", account=book.account)
    builders.state(f"book:{book.pk}", "halted", book=book)
    builders.state("system", "reduce_only")

    assert {row["id"]: row["state"] for row in get(api, "books")} == {book.pk: "halted", other.pk: "reduce_only"}


def test_an_account_is_the_sum_of_its_books(api, alice):
    builders.quote(price="49000")
    account = builders.account(alice, max_exposure=D("1.5"))
    books = [builders.book(alice, account=account) for _ in range(2)]
    builders.position(books[0])

    [row] = get(api, "accounts")

    assert (row["id"], row["kind"], row["exchange"]) == (account.pk, "paper", "simulated-7")
    assert (row["cash"], row["equity"], row["exposure"], row["max_exposure"]) == ("20000", "19900", "4900", "1.5")
    assert sorted(row["books"]) == [book.pk for book in books]


def test_a_book_without_an_account_has_none(api, alice):
    builders.book(alice, account=None, kind="model_spend", name="spend")

    [row] = get(api, "books")

    assert (row["account"], row["kind"]) == (None, "model_spend")


@pytest.mark.parametrize("resource", ["accounts", "books"])
def test_a_row_can_be_read_alone(api, alice, resource):
    builders.book(alice)
    [row] = get(api, resource)

    assert api.get(f"/api/v1/{resource}/{row['id']}/").json() == row


def test_both_are_asked_for_by_kind_account_and_feed(api, alice):
    book, spend = builders.book(alice), builders.book(alice, account=None, kind="model_spend")
    far = builders.account(alice, feed=builders.feed("far"))

    assert [row["id"] for row in get(api, "books", account=book.account_id)] == [book.pk]
    assert [row["id"] for row in get(api, "books", kind="model_spend")] == [spend.pk]
    assert [row["id"] for row in get(api, "accounts", feed=far.feed_id)] == [far.pk]
    assert get(api, "accounts", kind="live") == []


@pytest.mark.parametrize("resource", ["accounts", "books"])
def test_the_number_of_queries_does_not_grow_with_the_rows(api, alice, resource):
    builders.quote()

    def queries():
        with CaptureQueriesContext(connection) as captured:
            get(api, resource)
        return len(captured)

    builders.position(builders.book(alice))
    queries()  # the first request also loads what Django keeps
    one = queries()
    for _ in range(4):
        book = builders.book(alice)
        builders.position(book)
        builders.order(book)

    assert queries() == one


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "query", "sentence"),
    [
        ("accounts", {"feed": 987}, "You have no account on a feed with the id 987."),
        ("accounts", {"kind": "gold"}, "There is no gold here; choose one of paper, live."),
        ("accounts", {"name": "x"}, "There is no filter name; there are feed, kind."),
        ("books", {"account": "x"}, "You have no account with the id x."),
        ("books", {"page_size": "0"}, "A page holds 1 to 500 rows, not 0."),
        ("books", {"page_size": "many"}, "A page holds 1 to 500 rows, not many."),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_in_one_sentence(api, resource, query, sentence):
    answer = api.get(f"/api/v1/{resource}/?{urlencode(query)}")

    assert (answer.status_code, answer.json()) == (400, {next(iter(query)): [sentence]})


def test_a_cursor_that_cannot_be_read_is_no_page(api, alice):
    builders.trade(builders.book(alice))
    for resource in ("books", "trades", "diary"):
        answer = api.get(f"/api/v1/{resource}/?cursor=abc")

        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            "There is no such page: its cursor cannot be read.",
        )


@pytest.mark.requirement("SEC-02")
def test_the_feed_and_account_of_somebody_else_are_refused_like_missing_ones(api, bob):
    account = builders.account(bob)

    assert api.get(f"/api/v1/books/?account={account.pk}").status_code == 400
    assert api.get(f"/api/v1/accounts/?feed={account.feed_id}").status_code == 400
