from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from ledger.tests import builders

pytestmark = pytest.mark.django_db

PATH = "/api/v1/trades/"


@pytest.fixture(autouse=True)
def rates(settings):
    settings.API_RATES = {"client": "3/min", "address": "2/min"}


def token_of(user, **fields):
    """A client with a token of its own: counts outlive a test where the cache is shared."""
    text = uuid4().hex
    builders.token(user, text=text, **fields)
    return APIClient(HTTP_AUTHORIZATION=f"Token {text}")


def stranger(**headers):
    return APIClient(REMOTE_ADDR=f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}", **headers)


def codes(client, times, path=PATH):
    return [client.get(path).status_code for _ in range(times)]


@pytest.mark.requirement("API-01")
@pytest.mark.requirement("SEC-03")
def test_a_token_may_ask_so_often_and_is_told_when_to_ask_again(alice):
    client = token_of(alice)

    assert codes(client, 3) == [200, 200, 200]
    refused = client.get(PATH)

    assert refused.status_code == 429
    wait = int(refused["Retry-After"])
    assert 1 <= wait <= 60
    assert refused.json() == {"detail": f"Too many requests: the limit is 3 per min. Ask again in {wait} s."}


def test_each_token_is_counted_by_itself_and_over_all_resources(alice):
    first, second = token_of(alice), token_of(alice)

    assert codes(first, 2) + codes(first, 1, "/api/v1/status/") + codes(first, 1, "/api/v1/diary/") == [200] * 3 + [429]
    assert codes(second, 1) == [200]


def test_a_minute_later_it_goes_on(alice, time_machine):
    time_machine.move_to(builders.NOW, tick=False)
    client = token_of(alice)
    codes(client, 3)
    time_machine.shift(59)
    assert codes(client, 1) == [429]
    time_machine.shift(2)
    assert codes(client, 1) == [200]


def test_people_who_are_signed_in_are_counted_too(alice):
    client = APIClient()
    client.force_login(alice)

    assert 429 in codes(client, 4)


@pytest.mark.parametrize("path", [PATH, "/api/v1/candles/", "/api/v1/leaderboard/"])
def test_nobody_is_soon_not_even_told_that_a_token_is_needed(path):
    client = stranger()

    assert codes(client, 3, path) == [401, 401, 429]
    assert codes(stranger(), 1, path) == [401]


def test_tokens_that_do_not_hold_are_counted_by_address(alice):
    client = stranger(HTTP_AUTHORIZATION="Token " + "0" * 51)

    assert codes(client, 3) == [401, 401, 429]


def test_the_schema_is_not_made_for_strangers_all_day():
    client = stranger()

    assert codes(client, 3, "/api/schema/") == [200, 200, 429]
    assert int(client.get("/api/docs/")["Retry-After"]) >= 1


def test_nobody_becomes_another_address_by_a_header():
    address = f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}"
    clients = [APIClient(REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR=f"10.0.0.{number}") for number in range(3)]

    assert [client.get(PATH).status_code for client in clients] == [401, 401, 429]


def test_behind_a_proxy_the_address_that_it_has_written_is_counted(settings):
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"NUM_PROXIES": 1}  # what TLS_PROXY=true sets
    address, other = (f"2001:db8::{uuid4().hex[:4]}:{uuid4().hex[:4]}" for _ in range(2))

    def asks(claimed, written):
        client = APIClient(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=", ".join(filter(None, [claimed, written])))
        return client.get(PATH).status_code

    assert [asks(f"192.0.2.{number}", address) for number in range(3)] == [401, 401, 429]
    assert asks("", address) == 429
    assert asks(address, other) == 401


def test_a_limit_can_be_left_out(alice, settings):
    settings.API_RATES = {"client": None, "address": None}

    assert set(codes(token_of(alice), 9)) == {200}
