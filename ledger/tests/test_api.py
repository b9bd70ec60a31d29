from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from ledger.tests import builders

pytestmark = pytest.mark.django_db

RESOURCES = {"orders": builders.order, "trades": builders.trade, "positions": builders.closed_position}
every_resource = pytest.mark.parametrize("resource", RESOURCES)


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def get(api, resource, **query):
    return api.get(f"/api/v1/{resource}/?{urlencode(query)}")


def ids(answer):
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


@every_resource
@pytest.mark.requirement("API-01")
def test_a_list_holds_ones_rows_newest_first(api, alice, resource):
    book = builders.book(alice)
    made = [RESOURCES[resource](book).pk for _ in range(3)]

    answer = get(api, resource)

    assert ids(answer) == made[::-1]
    assert answer.json()["next"] is None
    assert answer.json()["previous"] is None


@every_resource
def test_a_row_can_be_read_alone(api, alice, resource):
    row = RESOURCES[resource](builders.book(alice))

    answer = api.get(f"/api/v1/{resource}/{row.pk}/")

    assert answer.status_code == 200
    assert answer.json() == get(api, resource).json()["results"][0]


def test_amounts_are_text_and_times_are_utc(api, alice):
    builders.trade(builders.book(alice), quantity="0.123456789012345678", price="50000", fee=Decimal("1E+1"))

    row = get(api, "trades").json()["results"][0]

    assert row["quantity"] == "0.123456789012345678"
    assert row["price"] == "50000"
    assert row["fee"] == "10"
    assert row["net"] == "-10"
    assert row["at"] == "2025-05-01T12:00:00Z"
    assert row["instrument"] == "BTC/USDT:USDT"


def test_an_order_tells_what_is_left_and_its_average_price(api, alice):
    builders.order(builders.book(alice), filled=Decimal("0.03"), filled_value=Decimal(1501))

    row = get(api, "orders").json()["results"][0]

    assert row["remaining"] == "0.07"
    assert row["average_price"] == "50033.333333333333333333"


def test_an_open_position_is_valued_at_the_newest_mark(api, alice):
    builders.quote(price="51000")
    builders.position(builders.book(alice))

    row = get(api, "positions").json()["results"][0]

    assert (row["direction"], row["mark"], row["unrealised"]) == ("long", "51000", "100")


def test_a_position_without_a_price_says_so_instead_of_guessing(api, alice):
    builders.position(builders.book(alice))

    row = get(api, "positions").json()["results"][0]

    assert (row["mark"], row["unrealised"]) == (None, None)


@every_resource
def test_rows_are_asked_for_by_book_and_instrument(api, alice, resource):
    ether, book = builders.instrument("ETH/USDT:USDT"), builders.book(alice)
    build = RESOURCES[resource]
    build(builders.book(alice))
    wanted = build(book, instrument=ether)

    assert ids(get(api, resource, book=book.pk)) == [wanted.pk]
    assert ids(get(api, resource, instrument="ETH/USDT:USDT")) == [wanted.pk]
    assert ids(get(api, resource, instrument="ETH/USDT:USDT", book=book.pk)) == [wanted.pk]


@pytest.mark.parametrize(("resource", "state"), [("orders", "filled"), ("positions", "closed")])
def test_rows_are_asked_for_by_state(api, alice, resource, state):
    book = builders.book(alice)
    build = {"orders": builders.order, "positions": builders.position}[resource]
    build(book)
    wanted = build(book, state=state, instrument=builders.instrument("ETH/USDT:USDT"))

    assert ids(get(api, resource, state=state)) == [wanted.pk]


@every_resource
def test_a_period_holds_its_beginning_and_not_its_end(api, alice, resource):
    field = "opened_at" if resource == "positions" else "at"
    row = RESOURCES[resource](builders.book(alice), **{field: builders.NOW})

    assert ids(get(api, resource, since="2025-05-01T12:00:00Z")) == [row.pk]
    assert ids(get(api, resource, since="2025-05-01T14:00:00+02:00")) == [row.pk]
    assert ids(get(api, resource, until="2025-05-01T12:00:00Z")) == []
    assert ids(get(api, resource, since="2025-05-01", until="2025-05-02")) == [row.pk]


@every_resource
def test_pages_lead_through_every_row_once(api, alice, resource):
    book = builders.book(alice)
    made = [RESOURCES[resource](book).pk for _ in range(5)]

    seen, address = [], f"/api/v1/{resource}/?page_size=2"
    while address:
        answer = api.get(address)
        seen += ids(answer)
        address = answer.json()["next"]

    assert seen == made[::-1]


@every_resource
def test_the_number_of_queries_does_not_grow_with_the_rows(api, alice, resource):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert get(api, resource).status_code == 200
        return len(captured)

    RESOURCES[resource](builders.book(alice))
    queries()  # the first request also loads what Django keeps
    one = queries()
    for number in range(4):
        RESOURCES[resource](builders.book(alice), instrument=builders.instrument(f"C{number}/USDT:USDT"))

    assert queries() == one


# --- refusals --------------------------------------------------------------------------------------------


@every_resource
@pytest.mark.requirement("SEC-02")
def test_rows_of_others_do_not_exist(api, bob, resource):
    foreign = RESOURCES[resource](builders.book(bob))

    assert ids(get(api, resource)) == []
    assert api.get(f"/api/v1/{resource}/{foreign.pk}/").status_code == 404


@every_resource
@pytest.mark.requirement("SEC-02")
def test_a_book_of_somebody_else_is_refused_like_a_missing_one(api, bob, resource):
    book = builders.book(bob)
    RESOURCES[resource](book)

    foreign = get(api, resource, book=book.pk)
    missing = get(api, resource, book=987654)

    assert foreign.status_code == missing.status_code == 400
    assert foreign.json() == {"book": [f"You have no book with the id {book.pk}."]}
    assert missing.json() == {"book": ["You have no book with the id 987654."]}


@every_resource
@pytest.mark.requirement("SEC-02")
def test_not_even_a_superuser_reads_others_through_the_api(alice, bob, resource):
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client = APIClient()
    client.force_login(alice)
    foreign = RESOURCES[resource](builders.book(bob))

    assert client.get(f"/api/v1/{resource}/{foreign.pk}/").status_code == 404


@every_resource
def test_nobody_is_told_nothing(db, resource):
    assert APIClient().get(f"/api/v1/{resource}/").status_code == 401
    assert APIClient().get(f"/api/v1/{resource}/1/").status_code == 401


@every_resource
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"instrument": "BTC"}, "There is no instrument BTC; symbols look like BTC/USDT:USDT."),
        ({"book": "x"}, "You have no book with the id x."),
        ({"book": "9" * 30}, "You have no book with the id " + "9" * 30 + "."),
        ({"since": "yesterday"}, "Enter a valid date/time."),
        ({"stat": "open"}, "There is no filter stat; there are book, bot, instrument, since,"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_in_one_sentence(api, resource, query, sentence):
    answer = get(api, resource, **query)

    assert answer.status_code == 400
    assert answer.json()[next(iter(query))][0].startswith(sentence)


def test_an_unknown_state_is_refused_with_those_that_there_are(api):
    answer = get(api, "positions", state="opened")

    assert answer.status_code == 400
    assert answer.json() == {"state": ["There is no opened here; choose one of opening, open, closed."]}


@every_resource
@pytest.mark.parametrize("pk", ["0", "-1", "abc", "9" * 30, "%00"])
def test_an_id_that_is_none_is_not_found(api, resource, pk):
    assert api.get(f"/api/v1/{resource}/{pk}/").status_code == 404


@every_resource
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written(api, alice, resource, method):
    row = RESOURCES[resource](builders.book(alice))

    for address in (f"/api/v1/{resource}/", f"/api/v1/{resource}/{row.pk}/"):
        assert getattr(api, method)(address, {}).status_code == 405


@every_resource
def test_a_reading_token_is_told_that_writing_does_not_exist(alice, resource):
    builders.token(alice, text="0" * 51)
    client = APIClient(HTTP_AUTHORIZATION="Token " + "0" * 51)

    assert client.get(f"/api/v1/{resource}/").status_code == 200
    assert client.post(f"/api/v1/{resource}/", {}).status_code == 405
