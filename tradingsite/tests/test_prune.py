"""What `prune` removes changes nothing that anybody reads, decides or is told."""

import json
from dataclasses import fields
from datetime import UTC, datetime

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from structlog.testing import capture_logs

from bots import retention as bots
from bots.leaderboard import standings
from bots.models import Backtest, Bot, Cycle, Decision, DecisionItem
from bots.tests import lockstep, rows
from ledger import reconciliation
from ledger import retention as ledger
from ledger.models import Account, EquityPoint
from markets import history
from markets import retention as markets
from markets.models import Candle, Instrument, PaperReport
from tradingsite.celery import app

pytestmark = pytest.mark.django_db

EVEN_OF_TODAY = -1  # days: what cannot be set, so that a short test has something to prune


def prune():
    """Everything that any setting could let go."""
    return {
        **bots.holds(days=EVEN_OF_TODAY),
        EquityPoint: ledger.equity_points(days=EVEN_OF_TODAY, hourly_days=EVEN_OF_TODAY),
        PaperReport: ledger.reports(days=EVEN_OF_TODAY),
        Candle: markets.candles(days=0),
    }


def restart():
    """A process that begins anew remembers nothing."""
    history.forget()
    cache.clear()


def figures(feed):
    """Every figure of the leaderboard; a curve is drawn with fewer points, and falls as deep."""
    found = standings(list(Bot.objects.on(feed).select_related("book").order_by("id")))
    names = {field.name for field in fields(found[0])} - {"curve", "bot"}
    return [(line.bot.name, line.curve.walk, *(repr(getattr(line, name)) for name in sorted(names))) for line in found]


def answers(feed, since):
    rows = Decision.objects.filter(bot__book__account__feed=feed, at__gt=since).order_by("at", "bot__name")
    return list(rows.values_list("bot__name", "at", "raw", "equity", "acted", "refused", "summary"))


@pytest.fixture
def feed():
    feed = lockstep.market()
    lockstep.drive(feed, 31)
    return feed


@pytest.mark.requirement("OPS-04")
def test_pruning_changes_no_figure(feed):
    before = figures(feed)
    restart()

    removed = prune()

    assert all(removed.values()), removed
    assert figures(feed) == before
    assert {account.name: reconciliation.differences(account) for account in Account.objects.on(feed)} == {
        account.name: [] for account in Account.objects.on(feed)
    }


@pytest.mark.requirement("OPS-04")
def test_a_running_market_goes_on_as_if_nothing_had_been_pruned(feed):
    at = feed.market_now
    prune()
    restart()
    lockstep.drive(feed, 7)

    untouched = lockstep.market(fresh=True)
    lockstep.drive(untouched, 38)

    assert answers(feed, at) == answers(untouched, at)
    assert lockstep.trades(feed) == lockstep.trades(untouched)
    assert len(answers(feed, at)) >= 8


def test_pruning_twice_removes_nothing_more(feed):
    prune()

    again = prune()

    assert sum(again.values()) == 0


def test_no_transaction_is_long(feed, monkeypatch):
    for module in (bots, ledger, markets):
        monkeypatch.setattr(module, "BATCH", 10)
    inside, lengths, removed = False, [], []

    def noted(execute, sql, params, many, context):
        nonlocal inside
        # A test runs in a transaction of its own: what a batch opens is a savepoint.
        if sql.startswith("SAVEPOINT"):
            inside = True
            lengths.append(0)
        elif sql.startswith("RELEASE"):
            inside = False
        elif inside:
            lengths[-1] += 1
        result = execute(sql, params, many, context)
        if sql.startswith("DELETE"):
            removed.append(context["cursor"].rowcount)
        return result

    with connection.execute_wrapper(noted):
        gone = prune()

    assert len(lengths) > 2
    assert max(lengths) < 25
    assert sum(removed) >= sum(gone.values())
    assert max(removed) <= 10 * Instrument.objects.count()  # a decision has an item for each


# --- The command -----------------------------------------------------------------------------------------


def run(capsys, *options):
    call_command("prune", *options)
    return capsys.readouterr()


def test_the_command_says_what_went_of_which_table(feed, capsys, settings):
    settings.KEEP_DAYS = {"candles": 0, "equity": -1, "equity_hourly": -1, "holds": -1, "reports": -1, "backtests": -1}
    rows.backtest(state="done", ended_at=datetime.now(UTC))
    emptied = (Cycle, Decision, DecisionItem, Backtest, EquityPoint, PaperReport, Candle)
    tables = {model._meta.db_table: model for model in emptied}
    before = {table: model.objects.count() for table, model in tables.items()}

    said = json.loads(run(capsys, "--dry-run", "--json").out)
    assert {table: model.objects.count() for table, model in tables.items()} == before
    done = json.loads(run(capsys, "--json").out)

    assert (said["dry_run"], done["dry_run"]) == (True, False)
    assert said["removed"] == done["removed"]
    assert done["rows"] == sum(done["removed"].values())
    assert {table: before[table] - model.objects.count() for table, model in tables.items()} == done["removed"]
    assert all(done["removed"].values())


def test_the_command_says_it_to_people_on_standard_error(feed, capsys):
    told = run(capsys)

    assert told.out == ""
    assert "candles: 0 removed" in told.err


def test_the_ages_of_the_settings_keep_a_young_market_whole(feed, capsys):
    assert json.loads(run(capsys, "--json").out)["rows"] == 0


def test_the_schedule_does_the_same_and_logs_it(feed, settings):
    settings.KEEP_DAYS = dict.fromkeys(settings.KEEP_DAYS, -1) | {"candles": 0}
    entry = settings.CELERY_BEAT_SCHEDULE["prune"]
    app.loader.import_default_modules()
    task = app.tasks[entry["task"]]
    before = Candle.objects.count()

    with capture_logs() as lines:
        task.apply(throw=True)

    assert entry["options"]["queue"] in {queue.name for queue in settings.CELERY_TASK_QUEUES}
    [line] = [line for line in lines if line["event"] == "pruned"]
    assert line["markets_candle"] == before - Candle.objects.count() > 0
