from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from bots.tests import rows
from ledger.tests import builders

pytestmark = pytest.mark.django_db

RESOURCES = {"bots": rows.bot, "decisions": lambda owner: rows.decision(rows.bot(owner))}
OF_THE_LEDGER = {
    "orders": builders.order,
    "trades": builders.trade,
    "positions": builders.closed_position,
}
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
    made = [RESOURCES[resource](alice).pk for _ in range(3)]

    assert ids(get(api, resource)) == made[::-1]


def test_a_bot_shows_what_it_trades_with(api, alice):
    ether = builders.instrument("ETH/USDT:USDT")
    bot = rows.bot(alice, name="trend", instruments=[builders.instrument(), ether])

    row = api.get(f"/api/v1/bots/{bot.pk}/").json()

    assert row["name"] == "trend"
    assert row["status"] == "paused"
    assert (row["book"], row["account"]) == (bot.book_id, bot.book.account_id)
    assert (row["cash"], row["deposited"], row["currency"]) == ("10000", "10000", "USDT")
    assert row["policy"] == {"id": bot.policy_id, "name": "balanced", "version": 1}
    assert row["instruments"] == ["BTC/USDT:USDT", "ETH/USDT:USDT"]
    assert row["timeframes"] == ["5m", "15m", "1h"]


@pytest.mark.requirement("RSK-07")
def test_a_decision_shows_each_item_with_the_verdict_of_each_rule(api, alice):
    decision = rows.decision(rows.bot(alice), items=0, refused=True)
    verdict = {
        "code": "max_exposure",
        "effect": "deny",
        "limit": "1.5",
        "value": "1.8",
        "text": "1.8 is too much.",
    }
    rows.item(decision, outcome="refused", conviction=Decimal("0.70"), verdicts=[verdict])
    rows.item(decision, action="hold", outcome="held", instrument=None, verdicts=[])

    row = get(api, "decisions").json()["results"][0]

    first, second = row["items"]
    assert (first["action"], first["outcome"], first["conviction"]) == ("open_long", "refused", "0.7")
    assert first["verdicts"] == [verdict]
    assert (second["action"], second["verdicts"]) == ("hold", [])


def test_the_raw_answer_is_told_for_one_decision_only(api, alice):
    decision = rows.decision(rows.bot(alice), raw={"thought": "long"})

    assert "raw" not in get(api, "decisions").json()["results"][0]
    assert api.get(f"/api/v1/decisions/{decision.pk}/").json()["raw"] == {"thought": "long"}


def test_a_verdict_may_have_no_numbers(api, alice):
    decision = rows.decision(rows.bot(alice), items=0)
    rows.item(
        decision,
        verdicts=[{"code": "state", "effect": "deny", "limit": None, "value": None, "text": "Halted."}],
    )

    verdict = get(api, "decisions").json()["results"][0]["items"][0]["verdicts"][0]

    assert (verdict["limit"], verdict["value"]) == (None, None)


def test_bots_are_asked_for_by_status_and_instrument(api, alice):
    ether = builders.instrument("ETH/USDT:USDT")
    rows.bot(alice)
    wanted = rows.bot(alice, status="running", instruments=[builders.instrument(), ether])

    assert ids(get(api, "bots", status="running")) == [wanted.pk]
    assert ids(get(api, "bots", instrument="ETH/USDT:USDT")) == [wanted.pk]


def test_decisions_are_asked_for_by_bot_instrument_result_and_time(api, alice):
    other = rows.decision(rows.bot(alice), acted=False, at=builders.NOW - timedelta(days=1))
    bot = rows.bot(alice)
    wanted = rows.decision(bot, items=0, refused=True, at=builders.NOW)
    for _ in range(2):
        rows.item(wanted, instrument=builders.instrument("ETH/USDT:USDT"))

    assert ids(get(api, "decisions", bot=bot.pk)) == [wanted.pk]
    assert ids(get(api, "decisions", instrument="ETH/USDT:USDT")) == [wanted.pk]
    assert ids(get(api, "decisions", acted="false")) == [other.pk]
    assert ids(get(api, "decisions", refused="true")) == [wanted.pk]
    assert ids(get(api, "decisions", since="2025-05-01T12:00:00Z")) == [wanted.pk]
    assert ids(get(api, "decisions", until="2025-05-01T12:00:00Z")) == [other.pk]


@pytest.mark.parametrize("resource", OF_THE_LEDGER)
def test_rows_of_the_ledger_are_asked_for_by_bot(api, alice, resource):
    bot = rows.bot(alice)
    OF_THE_LEDGER[resource](builders.book(alice))
    wanted = OF_THE_LEDGER[resource](bot.book)

    assert ids(get(api, resource, bot=bot.pk)) == [wanted.pk]


@every_resource
def test_the_number_of_queries_does_not_grow_with_the_rows(api, alice, resource):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert get(api, resource).status_code == 200
        return len(captured)

    RESOURCES[resource](alice)
    queries()  # the first request also loads what Django keeps
    one = queries()
    for _ in range(4):
        RESOURCES[resource](alice)

    assert queries() == one


# --- refusals --------------------------------------------------------------------------------------------


@every_resource
@pytest.mark.requirement("SEC-02")
def test_rows_of_others_do_not_exist(api, bob, resource):
    foreign = RESOURCES[resource](bob)

    assert ids(get(api, resource)) == []
    assert api.get(f"/api/v1/{resource}/{foreign.pk}/").status_code == 404


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("resource", ["decisions", *OF_THE_LEDGER])
def test_a_bot_of_somebody_else_is_no_filter(api, bob, resource):
    foreign = rows.bot(bob)

    answer = get(api, resource, bot=foreign.pk)

    assert answer.status_code == 400
    assert answer.json() == {"bot": [f"You have no bot with the id {foreign.pk}."]}


@every_resource
def test_nobody_is_told_nothing(db, resource):
    assert APIClient().get(f"/api/v1/{resource}/").status_code == 401
    assert APIClient().get(f"/api/v1/{resource}/1/").status_code == 401


@pytest.mark.parametrize(
    ("resource", "query", "sentence"),
    [
        ("bots", {"status": "on"}, "There is no on here; choose one of running, paused, stopped."),
        ("bots", {"instrument": "BTC"}, "There is no instrument BTC; symbols look like BTC/USDT:USDT."),
        ("decisions", {"acted": "maybe"}, "maybe is neither true nor false."),
        ("decisions", {"since": "soon"}, "Enter a valid date/time."),
        ("decisions", {"state": "done"}, "There is no filter state; there are acted,"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_in_one_sentence(api, resource, query, sentence):
    answer = get(api, resource, **query)

    assert answer.status_code == 400
    assert answer.json()[next(iter(query))][0].startswith(sentence)


@every_resource
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_can_be_written(api, alice, resource, method):
    row = RESOURCES[resource](alice)

    for address in (f"/api/v1/{resource}/", f"/api/v1/{resource}/{row.pk}/"):
        assert getattr(api, method)(address, {}).status_code == 405
