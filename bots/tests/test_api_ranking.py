from datetime import timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW
from markets import history
from markets.domain.candles import Candles, milliseconds
from markets.models import Feed

pytestmark = pytest.mark.django_db
DAY = 86_400_000


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def get(api, path):
    answer = api.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def bot(owner, cash="10000", **fields):
    return rows.bot(owner, book=builders.book(owner, cash=D(cash)), **fields)


@pytest.mark.requirement("API-01")
@pytest.mark.requirement("LED-05")
def test_performance_tells_every_figure_on_positions_and_on_equity(api, alice):
    one = bot(alice, "10060", name="Trend")
    builders.quote(price="51000")
    builders.position(one.book, fees=D("2.5"), funding=D("-0.5"))
    builders.closed_position(one.book, "100", fees=D(5), funding=D(-2))
    builders.closed_position(one.book, "-30", fees=D(5))
    for minute, equity in enumerate([10000, 10400, 9880]):
        builders.equity_point(one.book, str(equity), at=NOW + timedelta(minutes=minute))

    [row] = get(api, "performance/")["results"]

    assert (row["bot"], row["name"], row["currency"]) == (one.pk, "Trend", "USDT")
    assert row["on_positions"] == {
        "closed": 2, "wins": 1, "win_rate": "0.5", "gains": "93", "losses": "35",
        "profit_factor": "2.657142857142857143", "realised": "70", "fees": "12.5", "funding": "-2.5", "net": "55",
    }  # fmt: skip
    assert row["on_equity"] == {
        "equity": "10160", "deposited": "10000", "unrealised": "100", "rate_of_return": "0.016",
        "max_drawdown": "0.05", "exposure": "0.501968503937007874",
        "model_cost": "0", "unknown_costs": 0, "net_rate_of_return": "0.016",
    }  # fmt: skip
    alone = get(api, f"performance/{one.pk}/")
    assert {name: alone[name] for name in row} == row


@pytest.mark.requirement("LED-05")
def test_one_bot_comes_with_its_statistics_and_buy_and_hold_beside_them(api, alice):
    one = bot(alice)
    builders.cash_entry(one.book, "10000", at=NOW)
    for number in range(12):
        won = builders.closed_position(one.book, "30" if number % 3 else "-45", closed_at=NOW + timedelta(hours=number))
        builders.cash_entry(one.book, "1", kind="realised", position=won)
    for day, equity in enumerate([10000, 10200, 9690, 10400]):
        builders.equity_point(one.book, str(equity), at=NOW + timedelta(days=day))
    step = 300_000
    for day, price in ((0, 100.0), (1, 110.0), (3, 120.0)):
        at = milliseconds(NOW) if not day else milliseconds(NOW) // DAY * DAY + day * DAY - step
        closes = Candles(*(np.array([value]) for value in (at, 100.0, 125.0, 90.0, price, 1.0)))
        history.append(candles={(one.instruments.get().pk, "5m"): closes})
    Feed.objects.update(market_now=NOW + timedelta(days=3))

    told = get(api, f"performance/{one.pk}/")["statistics"]

    closed = told["closed_positions"]
    assert (closed["positions"], closed["won"], closed["net"]) == (12, 8, "60")
    assert closed["best"]["net"] == "30"
    low, high = closed["win_rate_interval"]
    assert low < 8 / 12 < high
    assert closed["held"]["shortest"] == 0
    on_equity = told["on_equity"]
    assert (on_equity["days"], on_equity["total_return"]) == (4, pytest.approx(0.04))
    assert on_equity["sharpe_interval"] is None
    start = NOW.date()
    fall = on_equity["drawdown"]
    assert fall["depth"] == pytest.approx(0.05)
    assert (fall["peak_on"], fall["trough_on"], fall["recovered_on"]) == tuple(
        str(start + timedelta(days=day)) for day in (1, 2, 3)
    )
    assert (fall["days_to_trough"], fall["days_to_recovery"], fall["longest_days"]) == (1, 1, 2)
    assert told["on_closed"]["total_return"] == pytest.approx(0.006)
    fee = float(one.instruments.get().taker_fee)
    assert told["buy_and_hold"]["total_return"] == pytest.approx(1.2 * (1 - fee) - 1)
    assert told["invested"] == 0


def test_the_statistics_of_others_are_not_to_be_had(api, alice, bob):
    assert api.get(f"/api/v1/performance/{bot(bob).pk}/").status_code == 404


def test_a_bot_that_has_done_nothing_has_no_ratios(api, alice):
    bot(alice)

    [row] = get(api, "performance/")["results"]

    assert (row["on_positions"]["win_rate"], row["on_positions"]["profit_factor"]) == (None, None)
    assert (row["on_equity"]["rate_of_return"], row["on_equity"]["max_drawdown"]) == ("0", "0")


def test_what_was_booked_since_is_counted_at_once(api, alice):
    one = bot(alice)
    get(api, "performance/")
    builders.closed_position(one.book, "-30")
    account = one.book.account
    account.revision += 1  # as every booking does
    account.save()

    assert get(api, "performance/")["results"][0]["on_positions"]["losses"] == "30"


def test_performance_is_asked_for_by_bot_and_comes_in_pages(api, alice):
    made = [bot(alice) for _ in range(3)]

    assert [row["bot"] for row in get(api, f"performance/?bot={made[1].pk}")["results"]] == [made[1].pk]
    page = get(api, "performance/?page_size=2")
    assert [row["bot"] for row in page["results"]] == [made[2].pk, made[1].pk]
    assert [row["bot"] for row in api.get(page["next"]).json()["results"]] == [made[0].pk]


@pytest.mark.requirement("UI-04")
def test_the_leaderboard_ranks_all_bots_of_a_feed(api, alice):
    low, best, tie = bot(alice), bot(alice, "11000", status="running"), bot(alice, "10000.3")
    far = rows.bot(alice, book=builders.book(alice, account=builders.account(alice, feed=builders.feed("far"))))

    page = get(api, f"leaderboard/?feed={low.book.account.feed_id}")

    assert [(row["rank"], row["tied"], row["bot"]) for row in page["results"]] == [
        (1, False, best.pk), (2, True, low.pk), (2, True, tie.pk),
    ]  # fmt: skip
    assert page["results"][0]["rate_of_return"] == "0.1"
    assert (page["feed"], page["market_time"]) == (low.book.account.feed_id, "2025-05-01T12:00:00Z")
    assert [row["bot"] for row in get(api, "leaderboard/")["results"]] == [far.pk]  # the newest, where none runs


def test_the_leaderboard_of_the_feed_that_runs_comes_first(api, alice):
    running = builders.feed("running", running=True)
    builders.feed("newer")
    mine = rows.bot(alice, book=builders.book(alice, account=builders.account(alice, feed=running)))

    assert [row["bot"] for row in get(api, "leaderboard/")["results"]] == [mine.pk]


def test_an_empty_installation_has_an_empty_leaderboard(api):
    assert get(api, "leaderboard/") == {"feed": None, "badge": "", "market_time": None, "results": []}


@pytest.mark.parametrize("path", ["performance/", "leaderboard/"])
def test_the_number_of_queries_does_not_grow_with_the_bots(api, alice, path):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            get(api, path)
        return len(captured)

    bot(alice)
    queries()  # the first request also loads what Django keeps
    builders.equity_point(bot(alice).book)
    one = queries()
    for _ in range(4):
        builders.equity_point(bot(alice).book)

    assert queries() == one


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.requirement("SEC-02")
def test_bots_of_others_are_in_no_ranking(api, bob):
    foreign = bot(bob)

    assert get(api, "performance/")["results"] == []
    assert get(api, "leaderboard/")["results"] == []
    assert api.get(f"/api/v1/performance/{foreign.pk}/").status_code == 404
    answer = api.get(f"/api/v1/performance/?bot={foreign.pk}")
    assert (answer.status_code, answer.json()) == (400, {"bot": [f"You have no bot with the id {foreign.pk}."]})


@pytest.mark.requirement("SEC-02")
def test_a_feed_of_others_that_stands_is_refused_like_a_missing_one(api, bob):
    foreign = bot(bob).book.account.feed_id

    for feed in (foreign, 987654):
        answer = api.get(f"/api/v1/leaderboard/?feed={feed}")
        assert (answer.status_code, answer.json()) == (400, {"feed": [f"You have no feed with the id {feed}."]})
    assert api.get("/api/v1/leaderboard/?bot=1").json() == {"bot": ["There is no filter bot; there are feed."]}
