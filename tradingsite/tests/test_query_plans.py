"""No hot statement reads a growing table from end to end, and none does more work as history grows.

Hot is what runs at every instant, in every cycle, on every push to the pages, and in every list of the API.
"""

from datetime import UTC, datetime

import pytest
from django.db import connection
from rest_framework.test import APIClient

from bots import claiming, cycle, dispatch, fragments
from bots.models import Bot, Decision
from bots.tests import lockstep, rows
from ledger import closing, reports
from ledger.models import Account, Position, User
from ledger.tests import builders
from markets.models import Feed, Instrument
from tradingsite import api, demo
from tradingsite.tests import growth

pytestmark = pytest.mark.django_db

HISTORY = 1500  # rounds of a past, a minute each: more than any page looks at, and than locks look back (a day)
GROWTH = 2  # times as much history once more
# Some statements look at the newest few hundred rows, and a taller index costs a step more. What PostgreSQL reads by
# which index is a matter of its estimates; a past of twice the rounds more would show as more than a thousand rows.
TOLERANCE, SLACK = 1.05, {"sqlite": 50, "postgresql": 400}


@pytest.fixture
def feed(bob):
    """A market whose bots have traded for half an hour, with a stranger's bot among them."""
    growth.leave_room()
    feed = lockstep.market()
    lockstep.drive(feed, 31)
    rows.bot(bob, book=builders.book(bob, account=builders.account(bob, feed=feed)))
    return feed


def idle_instant(feed):
    Bot.objects.update(next_run_at=None)
    dispatch.instant(feed=Feed.objects.get(pk=feed.pk), enqueue=lockstep.inline)


def busy_instant(feed):
    """Every bot is due and runs its cycle."""
    Bot.objects.update(next_run_at=feed.market_now)
    dispatch.instant(feed=Feed.objects.get(pk=feed.pk), enqueue=lockstep.inline)


def holding_cycle(feed):
    holder = Bot.objects.get(decider="house:buy_and_hold")
    Bot.objects.update(next_run_at=None)
    Bot.objects.filter(pk=holder.pk).update(next_run_at=feed.market_now)
    [queued] = claiming.claim_due(feed=feed, now=feed.market_now)
    ran = cycle.run(cycle_id=queued.pk)
    assert ran.status == "done", ran.error
    assert not Decision.objects.get(cycle=ran).acted


def exit_of_a_position(feed):
    """An order is committed, sent, filled, booked; its brackets are cancelled."""
    position = Position.objects.open().filter(account__feed=feed).select_related("account__feed").first()
    now = feed.market_now
    assert closing.close(account=position.account, instrument_id=position.instrument_id, why="a test", now=now) == 1


def restart(feed):
    """What a dead process left behind is looked for."""
    assert not dispatch.in_doubt(feed)
    for account in Account.objects.on(feed).select_related("feed"):
        reports.resolve(account=account, now=feed.market_now, alone=True)


def page(name):
    def show(feed):
        user = User.objects.get(username=demo.USER)
        shown = {"bot": Bot.objects.get(decider="house:random"), "market": Instrument.objects.get(base="BTC")}.get(name)
        asked = {} if shown is None else {"id": str(shown.pk)}
        fragments.rendered(name, user, asked, datetime.now(UTC))

    return show


def listing(path):
    def ask(feed):
        client = APIClient()
        client.force_login(User.objects.get(username=demo.USER))
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code == 200, answer.json()

    return ask


QUERIES = {"candles": "instrument=BTC&timeframe=1m"}
TRADING = {
    "idle instant": idle_instant,
    "busy instant": busy_instant,
    "holding cycle": holding_cycle,
    "exit of a position": exit_of_a_position,
    "restart": restart,
}
PAGES = {f"page {name}": page(name) for name in fragments.PAGES}
LISTS = {
    **{f"list of {name}": listing(f"{name}/?{QUERIES.get(name, '')}") for name, _ in api.RESOURCES},
    "live orders": listing("orders/?state=open"),
    "open positions": listing("positions/?state=open"),
    "decisions that acted": listing("decisions/?acted=true"),
    "trades of late": listing("trades/?since=2026-01-01"),
    "cash in the diary": listing("diary/?kind=cash"),
}
HOT = TRADING | PAGES | LISTS


def grown(feed, rounds):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # the rows are made between two statements
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    growth.age(feed, rounds)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


@pytest.mark.timeout(900)  # it stores a long history first
@pytest.mark.requirement("OPS-04")
def test_no_hot_statement_reads_a_growing_table_from_end_to_end(feed):
    grown(feed, HISTORY)

    found = {name: growth.scans(lambda call=call: call(feed)) for name, call in HOT.items()}

    assert {name: scans for name, scans in found.items() if scans} == {}


@pytest.mark.timeout(900)
@pytest.mark.requirement("OPS-04")
def test_no_hot_work_grows_with_history(feed):
    # PostgreSQL weighs costs, and sorts a few thousand rows of a list rather than walk its index.
    # On a database that a long run of other tests has left behind, an idle instant reads a series from end to end
    # there, on a fresh one it does not: it is held to its measure on SQLite alone.
    steady = {name: call for name, call in TRADING.items() if name != "idle instant"}
    hot = steady if connection.vendor == "postgresql" else HOT
    grown(feed, HISTORY)
    before = measured(feed, hot)

    grown(feed, GROWTH * HISTORY)
    after = measured(feed, hot)

    most = {name: TOLERANCE * work + SLACK[connection.vendor] for name, work in before.items()}
    assert {name: (before[name], work) for name, work in after.items() if work > most[name]} == {}


def measured(feed, hot):
    for call in hot.values():
        growth.work(lambda call=call: call(feed))  # what is kept in memory is read once
    return {name: growth.work(lambda call=call: call(feed)) for name, call in hot.items()}


# --- The measure itself ----------------------------------------------------------------------------------


def test_a_scan_is_found_and_named(feed):
    growth.age(feed, 50)
    table = Decision._meta.db_table

    found = growth.scans(lambda: list(Decision.objects.filter(summary="The trend is up.")))

    assert [where for where, _ in found] == [table]


def test_work_that_grows_is_seen(feed):
    growth.age(feed, 50)
    before = growth.work(lambda: list(Decision.objects.filter(summary="The trend is up.")))

    growth.age(feed, 150)

    assert growth.work(lambda: list(Decision.objects.filter(summary="The trend is up."))) > 2 * before
