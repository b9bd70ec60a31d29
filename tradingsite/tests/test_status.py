from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from bots.models import BotStatus, CycleStatus
from bots.tests import rows
from ledger.tests import builders
from markets.models import ExchangeState, RefusedData
from tradingsite import __version__

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def status(api):
    answer = api.get("/api/v1/status/")
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.requirement("API-01")
def test_the_status_tells_what_a_person_has_running(api, alice):
    builders.feed(running=True)
    bot = rows.bot(alice, status=BotStatus.RUNNING, skipped_slots=2)
    rows.bot(alice, skipped_slots=1)
    last = rows.cycle(bot)
    rows.cycle(bot, status=CycleStatus.RUNNING, ended_at=None)
    builders.position(bot.book)
    builders.order(bot.book)
    builders.order(bot.book, state="filled")

    found = status(api)

    assert found["version"] == __version__
    assert (found["state"], found["state_reason"]) == ("active", "")
    assert found["market_time"] == "2025-05-01T12:00:00Z"
    assert (found["feed"]["badge"], found["feed"]["running"]) == ("SIMULATED · seed 7 · 60x", True)
    cycles = found["cycles"]
    assert (cycles["queued"], cycles["running"], cycles["skipped_slots"]) == (0, 1, 3)
    assert (cycles["last"]["id"], cycles["last"]["bot"]) == (last.pk, bot.pk)
    assert found["counts"] == {"bots": 2, "bots_running": 1, "positions_open": 1, "orders_live": 1}


def test_the_status_of_an_empty_installation(api):
    found = status(api)

    assert (found["feed"], found["market_time"], found["cycles"]["last"]) == (None, None, None)
    assert found["counts"] == {"bots": 0, "bots_running": 0, "positions_open": 0, "orders_live": 0}


def test_a_halt_is_told_with_its_reason(api):
    builders.state(state="halted", reason="Prices look wrong.")

    found = status(api)

    assert (found["state"], found["state_reason"]) == ("halted", "Prices look wrong.")


def test_the_feed_that_runs_is_the_one_told(api):
    builders.feed("old", seed=1, stepped_at=builders.NOW)
    builders.feed("new", seed=2, running=True)
    builders.feed("newer", seed=3)

    assert status(api)["feed"]["badge"] == "SIMULATED · seed 2 · 60x"


@pytest.mark.requirement("SEC-02")
def test_what_others_have_running_is_not_counted(api, bob):
    bot = rows.bot(bob, status=BotStatus.RUNNING, skipped_slots=2)
    rows.cycle(bot)
    rows.cycle(bot, status=CycleStatus.QUEUED, ended_at=None)
    builders.position(bot.book)
    builders.order(bot.book)

    found = status(api)

    assert found["cycles"] == {"queued": 0, "running": 0, "skipped_slots": 0, "last": None}
    assert set(found["counts"].values()) == {0}


def test_nobody_is_told_nothing():
    assert APIClient().get("/api/v1/status/").status_code == 401


def test_the_status_cannot_be_written(api):
    assert api.post("/api/v1/status/", {}).status_code == 405


@pytest.mark.requirement("API-01")
def test_the_documentation_of_the_api_is_valid_and_complete():
    text = StringIO()

    call_command("spectacular", "--validate", "--fail-on-warn", stdout=text)

    for resource in ("status", "bots", "orders", "trades", "positions", "decisions"):
        assert f"/api/v1/{resource}/" in text.getvalue()


@pytest.mark.requirement("MKT-08")
def test_a_live_market_tells_where_its_data_come_from_and_what_was_refused(api):
    now = timezone.now()
    builders.feed("live okx", kind="live", exchange="okx", running=True)
    ExchangeState.objects.create(exchange="okx", source="stream", clock_offset_ms=-12, wait_until=now)
    RefusedData.objects.create(
        exchange="okx", symbol="BTC/USDT:USDT", part="price", reason="jump", count=3, first_at=now, last_at=now
    )
    found = status(api)["market_data"]

    assert (found["transport"], found["breaker"], found["clock_offset_ms"]) == ("stream", "closed", -12)
    assert found["wait_until"] is None
    [refused] = found["refused"]
    assert (refused["reason"], refused["count"]) == ("jump", 3)


def test_other_markets_tell_nothing_of_an_exchange(api):
    builders.feed(running=True)

    assert status(api)["market_data"] is None
