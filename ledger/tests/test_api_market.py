from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from ledger.tests import builders
from ledger.tests.builders import NOW
from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.models import Candle, Feed

pytestmark = pytest.mark.django_db

MINUTE = 60_000
END = milliseconds(NOW)


@pytest.fixture
def api(alice):
    builders.account(alice)
    client = APIClient()
    client.force_login(alice)
    return client


def get(api, resource, **query):
    answer = api.get(f"/api/v1/{resource}/?{urlencode(query)}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def fill(instrument, count, timeframe="1m"):
    """So many minutes up to NOW; the close counts them from 1."""
    rows = (
        (instrument.pk, timeframe, END - (count - n) * MINUTE, 1.0, 2.0, 0.5, float(n + 1), 7.5) for n in range(count)
    )
    Candle.objects.insert(rows)
    return instrument


def closes(page):
    return [row[4] for row in page["results"]]


# --- instruments -----------------------------------------------------------------------------------------


@pytest.mark.requirement("API-01")
def test_an_instrument_tells_its_rules_and_newest_quote(api):
    builders.quote(price="50000", at=NOW - timedelta(seconds=90))

    [row] = get(api, "instruments")["results"]

    assert (row["symbol"], row["name"], row["exchange"], row["assumed"]) == (
        "BTC/USDT:USDT", "BTC", "simulated-7", False,
    )  # fmt: skip
    assert (row["tick"], row["step"], row["taker_fee"]) == ("0.1", "0.001", "0.0005")
    assert row["tiers"][0] == {
        "floor": "0", "maintenance_rate": "0.004", "maintenance_amount": "0", "max_leverage": 50,
    }  # fmt: skip
    quote = row["newest_quote"]
    assert (quote["last"], quote["at"], quote["age_seconds"]) == ("50000", "2025-05-01T11:58:30Z", 90.0)


def test_an_instrument_without_a_price_has_no_quote(api):
    instrument = builders.instrument()

    row = api.get(f"/api/v1/instruments/{instrument.pk}/").json()

    assert row["newest_quote"] is None


def test_the_quote_is_of_the_feed_that_runs(api, alice):
    builders.quote(price="50000")
    running = builders.feed("simulated-7 #2", running=True)
    builders.account(alice, feed=running)
    builders.quote(price="48000", feed=running, at=NOW - timedelta(days=1))
    builders.quote(price="1", feed=builders.feed("of somebody else", running=True))

    [row] = get(api, "instruments")["results"]

    assert (row["newest_quote"]["last"], row["newest_quote"]["feed"]) == ("48000", running.pk)


@pytest.mark.requirement("SEC-02")
def test_only_exchanges_with_an_account_of_ones_own_are_shown(api, bob):
    foreign = builders.instrument(exchange="okx")
    builders.account(bob, feed=builders.feed("okx", exchange="okx"))
    mine = builders.instrument()

    assert [row["id"] for row in get(api, "instruments")["results"]] == [mine.pk]
    assert api.get(f"/api/v1/instruments/{foreign.pk}/").status_code == 404
    assert api.get("/api/v1/instruments/?exchange=okx").json() == {
        "exchange": ["You have no account on okx; you have some on simulated-7."]
    }
    refused = api.get("/api/v1/candles/?instrument=BTC&timeframe=1m&exchange=okx")
    assert (refused.status_code, refused.json()) == (
        400,
        {"exchange": ["You have no account on okx; you have some on simulated-7."]},
    )


def test_instruments_are_asked_for_by_name_symbol_and_kind_of_rules(api):
    bitcoin, ether = builders.instrument(), builders.instrument("ETH/USDT:USDT", assumed=True)

    def found(**query):
        return [row["id"] for row in get(api, "instruments", **query)["results"]]

    assert found(name="btc") == found(symbol="BTC/USDT:USDT") == found(assumed="false") == [bitcoin.pk]
    assert found(assumed="true") == [ether.pk]
    assert found(exchange="simulated-7", active="true") == [ether.pk, bitcoin.pk]


def test_the_number_of_queries_does_not_grow_with_the_instruments(api):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            get(api, "instruments")
        return len(captured)

    builders.quote()
    queries()  # the first request also loads what Django keeps
    one = queries()
    for name in "ABCD":
        builders.quote(builders.instrument(f"{name}/USDT:USDT"))

    assert queries() == one


# --- candles ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("API-01")
def test_candles_are_rows_under_a_header_oldest_first(api):
    fill(builders.instrument(), 3)

    page = get(api, "candles", instrument="BTC", timeframe="1m")

    assert page["columns"] == ["time", "open", "high", "low", "close", "volume"]
    assert page["results"][0] == [END - 3 * MINUTE, 1.0, 2.0, 0.5, 1.0, 7.5]
    assert closes(page) == [1, 2, 3]
    assert (page["exchange"], page["instrument"], page["timeframe"]) == ("simulated-7", "BTC/USDT:USDT", "1m")
    assert page["next"] is None


def test_without_a_start_pages_lead_back_from_the_newest(api):
    fill(builders.instrument(), 7)
    found, page = [], get(api, "candles", instrument="btc", timeframe="1m", limit=3)
    while True:
        found.append(closes(page))
        if page["next"] is None:
            break
        page = api.get(page["next"]).json()

    assert found == [[5, 6, 7], [2, 3, 4], [1]]


def test_with_a_start_pages_lead_on(api):
    fill(builders.instrument(), 7)
    first = get(api, "candles", instrument="BTC/USDT:USDT", timeframe="1m", limit=2, since=END - 5 * MINUTE)
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()

    assert [closes(page) for page in (first, second, third)] == [[3, 4], [5, 6], [7]]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"since": "2025-05-01T11:57:00Z", "until": "2025-05-01T11:59:00Z"}, [2, 3]),
        ({"since": "2025-05-01T13:57:00+02:00", "until": END - MINUTE}, [2, 3]),
        ({"since": "2025-05-01 11:58"}, [3, 4]),
        ({"until": "2025-05-01T11:58:00"}, [1, 2]),
        ({"since": "2025-05-02"}, []),
        ({"until": 0}, []),
    ],
)
def test_times_are_said_as_text_or_milliseconds(api, bounds, expected):
    fill(builders.instrument(), 4)

    assert closes(get(api, "candles", instrument="BTC", timeframe="1m", **bounds)) == expected


def test_a_page_of_candles_takes_the_same_statements_at_any_length(api):
    instrument = fill(builders.instrument(), 2)

    def queries(**query):
        with CaptureQueriesContext(connection) as captured:
            get(api, "candles", instrument="BTC", timeframe="1m", **query)
        return len(captured)

    queries()
    short = queries()
    Candle.objects.all().delete()
    fill(instrument, 1200)

    assert queries(limit=1000) == short


@pytest.mark.parametrize(("timeframe", "shown"), [("1m", 60), ("1h", 1)])
def test_no_candle_is_shown_before_it_has_closed_on_the_market(api, timeframe, shown):
    instrument, step = builders.instrument(), TIMEFRAMES[timeframe]
    Candle.objects.insert((instrument.pk, timeframe, END + n * step, 1, 1, 1, n, 1) for n in range(100))
    ahead = NOW + timedelta(hours=1, seconds=59)
    Feed.objects.update(market_now=ahead)

    query = {"instrument": "BTC", "timeframe": timeframe}
    backward, forward = get(api, "candles", **query), get(api, "candles", **query, since=END)

    assert closes(backward) == closes(forward) == [float(n) for n in range(shown)]
    assert (backward["next"], forward["next"]) == (None, None)
    assert get(api, "candles", **query, since=milliseconds(ahead))["results"] == []
    assert len(get(api, "candles", **query, limit=1, until=END + step)["results"]) == 1


def test_the_market_that_runs_says_which_candles_have_closed(api, alice):
    instrument = fill(builders.instrument(), 100)
    running = builders.feed("simulated-7 #2", running=True, market_now=NOW - timedelta(minutes=90))
    builders.account(alice, feed=running)

    assert len(get(api, "candles", instrument="BTC", timeframe="1m")["results"]) == 10

    builders.account(alice, feed=builders.feed("live", kind="live", exchange=instrument.exchange))
    assert len(get(api, "candles", instrument="BTC", timeframe="1m")["results"]) == 100


@pytest.mark.parametrize(
    ("query", "name", "sentence"),
    [
        ({"timeframe": "7m"}, "timeframe", "There is no timeframe 7m; choose one of 1m, 3m, 5m,"),
        ({"timeframe": ""}, "timeframe", "There is no timeframe ; choose one of"),
        ({"instrument": "XRP"}, "instrument", "There is no instrument XRP on simulated-7; symbols look like BTC/"),
        ({"instrument": "BTC/EUR:EUR"}, "instrument", "There is no instrument BTC/EUR:EUR on simulated-7;"),
        ({"limit": "0"}, "limit", "The limit is 1 to 1000 candles."),
        ({"limit": "1001"}, "limit", "The limit is 1 to 1000 candles."),
        ({"limit": "ten"}, "limit", "The limit is a whole number."),
        ({"since": "yesterday"}, "since", "yesterday is no time; write 2025-05-01T12:00:00Z or UTC milliseconds."),
        ({"symbol": "BTC"}, "symbol", "There is no filter symbol; there are exchange, instrument,"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(api, query, name, sentence):
    builders.instrument()
    answer = api.get(f"/api/v1/candles/?{urlencode({'instrument': 'BTC', 'timeframe': '1m'} | query)}")

    assert answer.status_code == 400
    assert list(answer.json()) == [name]
    assert answer.json()[name][0].startswith(sentence)


def test_what_is_missing_is_said(api):
    answer = api.get("/api/v1/candles/")

    assert answer.status_code == 400
    assert answer.json()["instrument"][0].startswith("Say which instrument")
    assert answer.json()["timeframe"][0].startswith("Say which timeframe: one of 1m")


def test_a_name_that_several_instruments_have_is_refused_with_them(api, alice):
    builders.account(alice, feed=builders.feed("okx", exchange="okx"))
    builders.instrument()
    other = fill(builders.instrument(exchange="okx"), 2)

    answer = api.get("/api/v1/candles/?instrument=BTC&timeframe=1m")

    assert answer.json()["instrument"][0].startswith("BTC may be BTC/USDT:USDT on okx, BTC/USDT:USDT on simulated-7;")
    page = get(api, "candles", instrument="BTC", exchange="okx", timeframe="1m")
    assert (page["exchange"], len(page["results"])) == (other.exchange, 2)
