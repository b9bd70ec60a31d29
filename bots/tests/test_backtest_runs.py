"""Stored backtests: their life from the question to the report, and what a person sees of it by page and API."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from bots import retention, tasks
from bots.backtests import lab, runs
from bots.backtests.loader import NotThere
from bots.backtests.options import Unclear
from bots.backtests.request import Request
from bots.backtests.stored import Stored
from bots.models import Asker, Backtest, BacktestState
from bots.models.backtests import LOST_AFTER
from bots.tests import rows
from bots.tests.test_backtest_command import BTC, stored  # noqa: F401
from ledger.models import Scope
from ledger.tokens import issue
from markets.models import Instrument

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]
WALL = datetime(2026, 3, 1, tzinfo=UTC)


def wanted(**fields):
    defaults = {"decider": "sma_cross", "exchange": "binanceusdm", "symbols": (BTC,), "timeframe": "1m"}
    return Request(**defaults | fields)


def ask(owner, **fields):
    return runs.ask(owner=owner, wanted=wanted(**fields), by=Asker.PAGE, wall=WALL)


def work():
    return lab.work(draining=lambda: False)


def again(row):
    return Backtest.objects.get(pk=row.pk)


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


# --- Its life --------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-04")
def test_one_that_is_asked_for_is_run_by_the_lab_and_kept_with_all_that_made_it(alice):
    row = ask(alice, settings=("seed=4",), check=True)
    assert (row.state, row.decider) == (BacktestState.QUEUED, "house:sma_cross")

    assert work() == 1

    done = again(row)
    assert (done.state, done.progress, done.attempts, done.error) == (BacktestState.DONE, 1.0, 1, "")
    assert done.summary["trades"] == len([one for one in done.report["listing"] if one[3]]) > 5
    assert done.made["seed"] == done.report["made"]["seed"] == 4
    assert done.report["checks"] == []
    assert done.report["request"] == Request.of_json(row.request).as_json() == row.request
    assert work() == 0


def test_a_period_that_reaches_beyond_what_is_stored_is_told(alice):
    row = ask(alice, start="2020-01-01", end="2050-01-01")
    work()

    begins, ends, *_ = again(row).report["warnings"]
    assert begins.startswith("Candles begin at 20")
    assert ends.startswith("Candles end at 20")
    assert again(row).summary["warnings"][:2] == [begins, ends]


def test_the_range_that_is_shown_is_of_the_finest_timeframe():
    fine, coarse = ((WALL, WALL + timedelta(days=days)) for days in (1, 2))
    assert Stored(Instrument(), {"1m": fine, "1h": coarse}).shown == fine


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"decider": "luck"}, "There is no decider «luck»"),
        ({"symbols": ("BTCUSDT",)}, "has no instrument «BTCUSDT»"),
        ({"exchange": "nowhere"}, "No candles of an exchange «nowhere»"),
        ({"start": "2050-01-01"}, "Candles in 1m are stored from"),
        ({"start": "2025-03-04", "end": "2025-03-03"}, "would end .2025-03-03. before it begins"),
        ({"cash": "nothing"}, "cash must be a number"),
        ({"decider": "random_like", "settings": ("like=luck",)}, "There is no decider «luck»"),
        ({"decider": "random_like", "settings": ("like=model:x",)}, "like names a strategy in code"),
        ({"decider": "trend", "settings": ("stop_atr=0",)}, "stop_atr of house:trend must be from"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_stored(alice, fields, sentence):
    with pytest.raises((Unclear, NotThere), match=sentence):
        ask(alice, **fields)
    assert not Backtest.objects.exists()


def test_nobody_queues_without_end(alice, monkeypatch):
    monkeypatch.setattr(runs, "MOST_UNDER_WAY", 1)
    ask(alice)

    with pytest.raises(Unclear, match="waiting or running"):
        ask(alice)


def test_nobody_runs_again_without_end(alice, monkeypatch):
    monkeypatch.setattr(runs, "MOST_UNDER_WAY", 1)
    row = ask(alice)
    runs.cancel(backtest=row, wall=WALL)
    ask(alice)

    with pytest.raises(runs.NotPossible, match="waiting or running"):
        runs.again(backtest=row, wall=WALL)


def test_one_that_waits_is_cancelled_at_once(alice):
    row = ask(alice)
    runs.cancel(backtest=row, wall=WALL)

    assert again(row).state == BacktestState.CANCELLED
    assert work() == 0
    with pytest.raises(runs.NotPossible, match="ended already"):
        runs.cancel(backtest=row, wall=WALL)


def test_one_that_is_cancelled_while_its_process_boots_is_not_begun(alice):
    row = ask(alice)
    runs.cancel(backtest=row, wall=WALL)
    command("--resume", str(row.pk), "--waiting")

    assert (again(row).state, again(row).attempts) == (BacktestState.CANCELLED, 0)


def test_a_process_that_found_nothing_to_do_ends_no_run_of_another(alice):
    row = ask(alice)
    assert runs.claim(pk=row.pk)
    command("--resume", str(row.pk), "--waiting")
    lab._after(row.pk, 0)

    assert (again(row).state, again(row).attempts) == (BacktestState.RUNNING, 1)


def test_the_lots_of_another_are_cancelled_while_that_one_runs(alice, monkeypatch):
    monkeypatch.setattr(runs, "EVERY_SECONDS", 0)
    row, beats = ask(alice, decider="random_like", settings=("like=sma_cross",)), []
    beat = runs.Ticker.beat

    def listening(ticker):
        beats.append(again(row).note)
        runs.cancel(backtest=row, wall=WALL)
        beat(ticker)

    monkeypatch.setattr(runs.Ticker, "beat", listening)
    work()

    assert beats == ["Reading candles"]
    assert again(row).state == BacktestState.CANCELLED


@pytest.mark.requirement("BKT-01")
def test_one_that_runs_tells_how_far_it_is_and_ends_when_it_is_cancelled(alice, monkeypatch):
    monkeypatch.setattr(runs, "EVERY_SECONDS", 0)
    row, seen = ask(alice), []
    say = runs.Ticker.say

    def listening(ticker, note, progress):
        say(ticker, note, progress)
        seen.append((note, progress))
        if progress > 0.5:
            runs.cancel(backtest=row, wall=WALL)

    monkeypatch.setattr(runs.Ticker, "say", listening)
    work()

    ended = again(row)
    assert (ended.state, ended.report) == (BacktestState.CANCELLED, None)
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)
    assert 0.5 < seen[-1][1] < 0.6
    assert {note for note, _ in seen} == {"Trading"}


def test_one_that_fails_says_why_and_can_be_run_again(alice):
    row = ask(alice)
    Instrument.objects.filter(symbol=BTC).update(symbol="GONE/USDT:USDT")
    work()
    failed = again(row)
    assert failed.state == BacktestState.FAILED
    assert "has no instrument" in failed.error

    Instrument.objects.filter(symbol="GONE/USDT:USDT").update(symbol=BTC)
    runs.again(backtest=failed, wall=WALL)
    work()

    assert again(row).state == BacktestState.DONE
    with pytest.raises(runs.NotPossible, match="failed or was cancelled"):
        runs.again(backtest=row, wall=WALL)


def test_what_a_dead_process_left_is_run_once_more_and_then_has_failed(alice):
    row = ask(alice)
    for state in (BacktestState.QUEUED, BacktestState.FAILED):
        claimed = runs.claim(pk=row.pk)
        Backtest.objects.filter(pk=row.pk).update(beat_at=WALL - 2 * LOST_AFTER)
        assert runs.sweep(wall=WALL) == 1
        assert again(row).state == state
        # The process was only slow: what it finds out no longer counts.
        with pytest.raises(runs.Cancelled):
            runs.Ticker(claimed).say("Trading", 0.5)
    assert "process" in again(row).error


def test_one_that_was_put_back_counts_no_attempt(alice):
    row = ask(alice)
    runs.claim(pk=row.pk)
    runs.put_back(pk=row.pk)

    assert (again(row).state, again(row).attempts) == (BacktestState.QUEUED, 0)


def test_a_worker_that_ends_begins_no_other(alice):
    ask(alice)

    assert lab.work(draining=lambda: True) == 0
    assert tasks.run_backtests() == 1


@pytest.mark.requirement("BKT-04")
def test_old_ones_go_and_those_under_way_stay(alice):
    old, new, waiting = (rows.backtest(alice, **fields) for fields in (
        {"state": "done", "ended_at": WALL - timedelta(days=91)}, {"state": "done", "ended_at": WALL}, {},
    ))  # fmt: skip

    assert retention.backtests(days=90, wall=WALL, dry_run=True) == 1
    assert retention.backtests(days=90, wall=WALL) == 1
    assert set(Backtest.objects.values_list("pk", flat=True)) == {new.pk, waiting.pk} != {old.pk}


# --- By command ------------------------------------------------------------------------------------------


def command(*words):
    out, err = io.StringIO(), io.StringIO()
    base = ["--exchange=binanceusdm", "--decider=sma_cross", f"--symbols={BTC}", "--timeframe=1m"]
    call_command(
        "backtest", *(words if words[0] in ("--list", "--resume") else [*base, *words]), stdout=out, stderr=err
    )
    return out.getvalue()


@pytest.mark.requirement("BKT-04")
def test_the_command_keeps_lists_and_writes(alice, tmp_path):
    html, table = tmp_path / "report.html", tmp_path / "trades.csv"
    told = json.loads(command("--json", "--save", "--html", str(html), "--csv", str(table)))

    kept = Backtest.objects.get(pk=told["id"])
    assert (kept.owner, kept.asked_by, kept.state) == (alice, Asker.COMMAND, BacktestState.DONE)
    assert told["statistics"]["closed_positions"]["positions"] == told["trades"]
    assert "<svg" in html.read_text()
    assert table.read_text().count("\n") > told["trades"]
    [line] = json.loads(command("--list", "--json"))["backtests"]
    assert (line["id"], line["trades"], line["state"]) == (kept.pk, told["trades"], "done")
    assert "house:sma_cross" in command("--list")


def test_the_command_runs_one_that_waits(alice):
    row = ask(alice)
    command("--resume", str(row.pk))
    assert again(row).state == BacktestState.DONE

    with pytest.raises(CommandError, match="failed or was cancelled"):
        command("--resume", str(row.pk))
    with pytest.raises(CommandError, match="No backtest with the id 999"):
        command("--resume", "999")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--html", "/no/such/folder/report.html"), "There is no folder /no/such/folder"),
        (("--html", "/"), "/ is a folder"),
        (("--save", "--owner", "nobody"), "There is no user nobody"),
    ],
)
def test_the_command_refuses_in_a_sentence(alice, words, sentence):
    with pytest.raises(CommandError, match=sentence):
        command(*words)
    assert not Backtest.objects.exists()


def test_the_command_asks_whose_it_is_and_for_what_is_missing(alice, bob):
    with pytest.raises(CommandError, match="more than one user"):
        command("--save")
    with pytest.raises(CommandError, match="Say --exchange, --symbols, --timeframe too"):
        call_command("backtest", "--decider=trend")


# --- By page ---------------------------------------------------------------------------------------------


def html(answer, status=200):
    assert answer.status_code == status, answer
    return answer.content.decode()


def form(**fields):
    chosen = Instrument.objects.filter(symbol=fields.pop("symbol", BTC)).values_list("pk", flat=True)
    defaults = {"decider": "house:sma_cross", "timeframe": "1m", "cash": "10000", "policy": "balanced", "settings": ""}
    return defaults | {"instruments": list(chosen)} | fields


@pytest.mark.requirement("BKT-01")
@pytest.mark.requirement("BKT-04")
def test_a_page_asks_shows_and_exports(page, alice):
    text = html(page.get("/backtests/"))
    assert "None yet." in text
    assert "2025-03-03 to 2025-03-04 · 1m" in text

    answer = page.post("/backtests/", form(policy="bold", settings="seed=3\nshare=0.2, fee=0.1%", start="2025-03-03"))
    row = Backtest.objects.get()
    assert answer["Location"] == f"/backtests/{row.pk}/"
    assert row.request["settings"] == ["policy=bold", "seed=3", "share=0.2", "fee=0.1%"]
    assert row.asked_by == Asker.PAGE
    waiting = html(page.get(f"/backtests/{row.pk}/"))
    assert "It waits for a worker" in waiting
    assert f'hx-get="/backtests/{row.pk}/state/"' in waiting
    assert 'hx-get="/backtests/list/"' in html(page.get("/backtests/"))
    assert "Queued" in html(page.get(f"/backtests/{row.pk}/state/"))

    work()

    assert page.get(f"/backtests/{row.pk}/state/")["HX-Refresh"] == "true"
    report = html(page.get(f"/backtests/{row.pk}/"))
    for words in (
        "Final equity",
        "Before you believe it",
        "Drawdown in another order",
        "Entered because",
        "What made it",
    ):
        assert words in report
    assert report.count("<svg") >= 5
    listed = html(page.get("/backtests/"))
    assert "hx-trigger" not in html(page.get("/backtests/list/"))
    assert f'value="{row.pk}"' in listed
    for kind, begins in (("json", "{"), ("csv", "instrument,"), ("html", "<!doctype html>")):
        file = page.get(f"/backtests/{row.pk}/report.{kind}")
        assert html(file).startswith(begins)
        assert file["Content-Disposition"] == f'attachment; filename="backtest-{row.pk}.{kind}"'


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"instruments": []}, "Choose at least one instrument."),
        ({"instruments": ["99999999999999999999"]}, "Choose instruments from the list."),
        ({"instruments": ["²"]}, "Choose instruments from the list."),
        ({"settings": "stop_loss=3"}, "There is no setting «stop_loss»"),
        ({"start": "2050-01-01"}, "Candles in 1m are stored from"),
        ({"start": "2025-03-05", "end": "2025-03-03"}, "before it begins"),
        ({"cash": "much"}, "cash must be a number"),
        ({"timeframe": "7m"}, None),
    ],
)
def test_a_page_refuses_in_a_sentence_and_keeps_what_was_written(page, fields, sentence):
    text = html(page.post("/backtests/", form(**fields)))

    assert not Backtest.objects.exists()
    if sentence:
        assert sentence in text
        assert fields.get("settings", "") in text


def test_a_policy_of_ones_own_stands_as_it_is_now(page, alice):
    own = rows.policy(alice, name="mine", risk_per_trade="0.003", max_positions=1)
    page.post("/backtests/", form(policy=f"own:{own.pk}"))
    work()

    made = Backtest.objects.get().made["policy"]
    assert (made["risk_per_trade"], made["max_positions"]) == ("0.003", 1)


def test_buttons_cancel_run_again_and_remove(page, alice):
    row = ask(alice)
    page.post(f"/backtests/{row.pk}/cancel/")
    assert again(row).state == BacktestState.CANCELLED
    assert "Run again" in html(page.get(f"/backtests/{row.pk}/"))
    page.post(f"/backtests/{row.pk}/again/")
    assert again(row).state == BacktestState.QUEUED
    runs.claim(pk=row.pk)
    assert "cancel it first" in html(page.post(f"/backtests/{row.pk}/remove/", follow=True))
    runs.put_back(pk=row.pk)
    page.post(f"/backtests/{row.pk}/remove/")
    assert not Backtest.objects.exists()
    assert page.get(f"/backtests/{row.pk}/cancel/").status_code in (404, 405)


@pytest.mark.requirement("BKT-04")
def test_several_are_compared(page, alice):
    first, second = ask(alice), ask(alice, decider="trend")
    assert "Tick two or more" in html(page.get("/backtests/compare/"))
    work()

    text = html(page.get(f"/backtests/compare/?id={first.pk}&id={second.pk}"))

    assert text.count("<polyline") == 2
    for words in ("house · sma cross", "house · trend", "Sharpe", "What differs"):
        assert words in text
    assert page.get("/backtests/compare/?id=x").status_code == 404


@pytest.mark.requirement("SEC-02")
def test_nothing_of_others_is_there(page, bob):
    row = ask(bob)
    work()

    assert "None yet." in html(page.get("/backtests/"))
    for path in ("", "state/", "report.json", "report.html"):
        assert page.get(f"/backtests/{row.pk}/{path}").status_code == 404
    for verb in ("cancel", "again", "remove"):
        assert page.post(f"/backtests/{row.pk}/{verb}/").status_code == 404
    assert "Tick two or more" in html(page.get(f"/backtests/compare/?id={row.pk}&id={row.pk}"))
    assert again(row).state == BacktestState.DONE


# --- By API ----------------------------------------------------------------------------------------------


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


BODY = {"decider": "sma_cross", "exchange": "binanceusdm", "symbols": [BTC], "timeframe": "1m"}


@pytest.mark.requirement("API-01")
@pytest.mark.requirement("BKT-01")
def test_the_api_asks_follows_reads_and_removes(api, alice):
    asked = api.post("/api/v1/backtests/", BODY | {"settings": ["seed=2"]}, format="json")
    assert (asked.status_code, asked.json()["state"]) == (202, "queued"), asked.json()
    path = f"/api/v1/backtests/{asked.json()['id']}/"
    assert api.get(f"{path}report/").status_code == 404

    work()

    told = api.get(path).json()
    assert (told["state"], told["progress"], told["made"]["seed"]) == ("done", 1.0, 2)
    assert told["summary"]["trades"] > 5
    report = api.get(f"{path}report/").json()
    assert len(report["positions"]) >= told["summary"]["trades"]
    assert api.get(f"{path}report/?as=csv").content.startswith(b"instrument,")
    assert api.get(f"{path}report/?as=html").content.startswith(b"<!doctype html>")
    assert api.get(f"{path}report/?as=pdf").status_code == 400
    assert [one["id"] for one in api.get("/api/v1/backtests/?state=done").json()["results"]] == [told["id"]]
    assert api.get("/api/v1/backtests/?state=queued").json()["results"] == []
    assert api.post(f"{path}cancel/").status_code == 409
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_the_api_cancels_and_runs_again(api, alice):
    path = f"/api/v1/backtests/{ask(alice).pk}/"

    assert api.post(f"{path}cancel/").json()["state"] == "cancelled"
    assert api.post(f"{path}again/").json()["state"] == "queued"
    assert api.post(f"{path}again/").status_code == 409


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decider": "luck"}, "There is no decider"),
        ({"symbols": []}, "Name at least one instrument"),
        ({"settings": ["x"]}, "is no setting"),
        ({"cash": "-1"}, "cash must be above 0"),
        ({"start": "²²²²²²²²²²"}, "is no day"),
    ],
)
def test_the_api_refuses_in_a_sentence(api, changes, sentence):
    answer = api.post("/api/v1/backtests/", BODY | changes, format="json")

    assert answer.status_code == 400
    assert sentence in json.dumps(answer.json(), ensure_ascii=False)
    assert not Backtest.objects.exists()


@pytest.mark.requirement("API-02")
def test_a_token_that_reads_asks_for_nothing(alice):
    token = issue(user=alice, scope=Scope.READ, name="reader", now=datetime.now(UTC))
    client = APIClient(HTTP_AUTHORIZATION=f"Token {token}")

    assert client.get("/api/v1/backtests/").status_code == 200
    assert client.post("/api/v1/backtests/", BODY, format="json").status_code == 403
