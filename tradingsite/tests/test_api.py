"""The whole API at once: every route is documented as it answers, belongs to its owner, and is to read only."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from bots.tests import models, rows
from ledger.management.commands import create_token
from ledger.tests import builders
from markets.models import Candle
from tradingsite.api import RESOURCES

pytestmark = pytest.mark.django_db

LISTS = [name for name, _ in RESOURCES]
WITH_IDS = ["bots", "accounts", "books", "instruments", "orders", "trades", "positions", "decisions", "performance"]
WITH_IDS += ["providers", "alerts", "backtests"]
ACTIONS = {"/api/v1/providers/{id}/test/", "/api/v1/positions/{id}/adopt/", "/api/v1/accounts/{id}/adopt-order/"}
ACTIONS |= {f"/api/v1/accounts/{{id}}/{name}/" for name in ("reconcile", "key", "arm", "disarm", "resume", "accept")}
WRITABLE = {
    "risk-policies": ["/api/v1/risk-policies/{id}/", "/api/v1/risk-policies/{id}/what-if/"],
    "backtests": [f"/api/v1/backtests/{{id}}/{verb}/" for verb in ("cancel", "again", "report")],
}
NEEDED = {"candles": {"instrument": "BTC", "timeframe": "1m"}}


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def world(owner):
    """Something of everything; the ids by the name of the resource."""
    instrument = builders.instrument()
    bot = rows.bot(owner)
    feed = bot.book.account.feed
    if not feed.quotes.exists():
        builders.quote(funding_rate="0.0001")
    feed.running = True
    feed.save()
    decision = rows.decision(bot, items=0, refused=True)
    item = rows.item(decision, intent=builders.intent(bot.book), invalidation={"kind": "close_below", "price": "1"})
    order = builders.order(bot.book, intent=item.intent)
    trade = builders.trade(bot.book, order=order)
    position = builders.position(bot.book, intent=item.intent)
    builders.closed_position(bot.book, "-5")
    builders.cash_entry(bot.book, "-1", kind="funding", position=position)
    builders.equity_point(bot.book)
    builders.state(f"book:{bot.book_id}", "reduce_only", book=bot.book)
    model = models.model(models.provider(owner=owner))
    models.call(bot, cycle=decision.cycle, model=model)
    alert = builders.alert(bot.book)
    Candle.objects.insert([(instrument.pk, "1m", 1746100740000, 1.0, 2.0, 0.5, 1.5, 9.0)])
    return {
        "bots": bot.pk, "performance": bot.pk, "accounts": bot.book.account_id, "books": bot.book_id,
        "orders": order.pk, "trades": trade.pk, "positions": position.pk, "decisions": decision.pk,
        "instruments": instrument.pk, "providers": model.provider_id, "alerts": alert.pk,
        "backtests": rows.backtest(owner).pk,
    }  # fmt: skip


# --- Whatever is asked -----------------------------------------------------------------------------------


def cursor(*parts):
    return urlsafe_b64encode(json.dumps(parts).encode()).decode()


# What has broken APIs before, for every parameter alike: formats, numbers beyond all columns, edges of the calendar.
ODD = [
    "%", "%25", "%s", "BTC%2FUSDT", "\0", "é", "-1", "9" * 30, "1e400", "Infinity", "NaN", "true", "[]", "1,2",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2025-05-01", "12:00",
]  # fmt: skip
EDGES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2025-05-01T12:00:00", "2025-05-01T12:00:00+00:00"]
CURSORS = [
    cursor(*parts)
    for at in (*EDGES, None)
    for parts in [(1, at, "", False), (1, at, "trade", True), (1, at, "gossip", False), (float("inf"), at, "", False)]
]


@pytest.mark.requirement("API-01")
@pytest.mark.parametrize("name", LISTS)
def test_no_value_of_any_documented_parameter_breaks_a_list(api, alice, document, name):
    world(alice)
    for parameter in document["paths"][f"/api/v1/{name}/"]["get"].get("parameters", []):
        for value in [*ODD, *(CURSORS if parameter["name"] == "cursor" else ())]:
            answer = api.get(f"/api/v1/{name}/", NEEDED.get(name, {}) | {parameter["name"]: value})
            assert answer.status_code in (200, 400, 404), (parameter["name"], value)
            assert answer["Content-Type"] == "application/json"


# --- As documented ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document():
    return strict(SchemaGenerator().get_schema(request=None, public=True))


def strict(part):
    """OpenAPI as a JSON schema in which nothing undocumented may come, and null only where it is announced."""
    if isinstance(part, list):
        return [strict(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {name: strict(value) for name, value in part.items()}
    if isinstance(made.get("properties"), dict) and "type" in made:
        made.setdefault("additionalProperties", False)
    if made.pop("nullable", False) is True:
        return {"anyOf": [made, {"type": "null"}]}
    return made


def problems(document, path, answer):
    told = document["paths"][path]["get"]["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    schema = {"components": document["components"], **told} if "$ref" not in told else told | {
        "components": document["components"]
    }  # fmt: skip
    errors = Draft202012Validator(schema).iter_errors(answer.json())
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors]


@pytest.mark.requirement("API-01")
@pytest.mark.parametrize("resource", LISTS)
def test_every_list_answers_as_it_is_documented(api, alice, document, resource):
    world(alice)

    answer = api.get(f"/api/v1/{resource}/", NEEDED.get(resource))

    assert answer.status_code == 200, answer.json()
    assert problems(document, f"/api/v1/{resource}/", answer) == []
    assert resource == "status" or answer.json()["results"]


@pytest.mark.requirement("API-01")
@pytest.mark.parametrize("resource", WITH_IDS)
def test_every_row_answers_as_it_is_documented(api, alice, document, resource):
    pk = world(alice)[resource]

    answer = api.get(f"/api/v1/{resource}/{pk}/")

    assert answer.status_code == 200, answer.json()
    assert problems(document, f"/api/v1/{resource}/{{id}}/", answer) == []


@pytest.mark.parametrize("resource", LISTS)
def test_every_refusal_is_documented(api, document, resource):
    told = document["paths"][f"/api/v1/{resource}/"]["get"]["responses"]

    assert {"200", "401", "403", "429"} <= set(told)
    if resource != "status":
        assert api.get(f"/api/v1/{resource}/?no-such-filter=1").status_code == 400
        assert "400" in told


# The only ones that write: the emergency close.
CLOSING = {
    "/api/v1/bots/{id}/flatten/", "/api/v1/bots/{id}/emergency/", "/api/v1/accounts/{id}/flatten/",
    "/api/v1/accounts/flatten/",
}  # fmt: skip


def test_the_document_holds_every_resource_and_nothing_else(document):
    paths = {f"/api/v1/{name}/" for name in LISTS} | {f"/api/v1/{name}/{{id}}/" for name in WITH_IDS}

    assert set(document["paths"]) == paths.union(ACTIONS, CLOSING, *WRITABLE.values())


@pytest.mark.parametrize("resource", LISTS)
def test_every_filter_that_is_documented_exists(api, alice, document, resource):
    world(alice)
    parameters = document["paths"][f"/api/v1/{resource}/"]["get"].get("parameters", [])

    for name in [parameter["name"] for parameter in parameters if parameter["in"] == "query"]:
        answer = api.get(f"/api/v1/{resource}/", NEEDED.get(resource, {}) | {name: "§"})
        assert answer.status_code in (200, 400, 404), (name, answer.content)
        assert "There is no filter" not in answer.content.decode(), name


def test_the_pages_of_the_documentation_open():
    client = APIClient()

    assert client.get("/api/docs/").status_code == 200
    assert b"/api/v1/diary/" in client.get("/api/schema/").content


# --- Of their owner --------------------------------------------------------------------------------------


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("resource", [name for name in WITH_IDS if name != "instruments"])
def test_no_row_of_somebody_else_can_be_read(api, alice, bob, resource):
    builders.account(alice)
    foreign = world(bob)[resource]

    assert api.get(f"/api/v1/{resource}/{foreign}/").status_code == 404


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("resource", [name for name in LISTS if name not in ("status", "candles", "instruments")])
def test_no_list_shows_anything_of_somebody_else(api, alice, bob, resource):
    mine, theirs = world(alice), world(bob)
    own = api.get(f"/api/v1/{resource}/").json()["results"]

    other = APIClient()
    other.force_login(bob)
    shown = other.get(f"/api/v1/{resource}/").json()["results"]

    def ids(found):
        return {(row.get("kind"), row["id"]) if "id" in row else row["bot"] for row in found}

    assert ids(own)
    assert not ids(own) & ids(shown)
    assert mine["bots"] != theirs["bots"]


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("resource", ["instruments", "candles"])
def test_who_has_no_account_sees_no_market(api, bob, resource):
    pk = world(bob)["instruments"]

    if resource == "instruments":
        assert api.get("/api/v1/instruments/").json()["results"] == []
        assert api.get(f"/api/v1/instruments/{pk}/").status_code == 404
    else:
        answer = api.get("/api/v1/candles/", NEEDED["candles"])
        assert answer.json() == {
            "instrument": ["You have no account on any exchange yet, so there is no instrument to show."]
        }


@pytest.mark.parametrize("resource", LISTS)
def test_nobody_is_told_nothing(resource):
    assert APIClient().get(f"/api/v1/{resource}/").status_code == 401


@pytest.mark.parametrize(
    ("method", "resource"),
    [
        (method, name)
        for method in ("post", "put", "patch", "delete")
        for name in LISTS
        if name not in WRITABLE and (method, name) != ("post", "accounts")  # which makes a live one
    ],
)
def test_nothing_can_be_written(api, resource, method):
    assert getattr(api, method)(f"/api/v1/{resource}/", {}).status_code == 405


@pytest.mark.parametrize("resource", WITH_IDS)
@pytest.mark.parametrize("pk", ["0", "-1", "abc", "9" * 30, "%00"])
def test_an_id_that_is_none_is_not_found(api, resource, pk):
    answer = api.get(f"/api/v1/{resource}/{pk}/")

    assert answer.status_code == 404
    assert answer.json()["detail"]


# --- With a token ----------------------------------------------------------------------------------------


@pytest.mark.requirement("API-02")
def test_a_token_reads_everything_until_the_day_it_expires(alice, capsys, time_machine):
    world(alice)
    time_machine.move_to(builders.NOW, tick=False)
    command = create_token.Command()
    command.handle(user="alice", scope="read", name="script", days=7)
    client = APIClient(HTTP_AUTHORIZATION=f"Token {capsys.readouterr().out.strip()}")

    assert {client.get(f"/api/v1/{name}/", NEEDED.get(name)).status_code for name in LISTS} == {200}
    time_machine.shift(timedelta(days=7) - timedelta(seconds=1))
    assert client.get("/api/v1/diary/").status_code == 200
    time_machine.shift(timedelta(seconds=1))
    refused = client.get("/api/v1/diary/")

    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Token")
    assert refused.json() == {"detail": "This token expired on 2025-05-08 at 12:00 UTC."}
