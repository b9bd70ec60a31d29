from datetime import timedelta
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from bots.models import CycleStatus
from bots.tests import lockstep, rows
from ledger import states
from ledger.models import TradingState, User
from ledger.tests import builders
from ledger.tests.builders import NOW
from tradingsite import demo

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def api(alice):
    client = APIClient()
    client.force_login(alice)
    return client


def get(api, **query):
    answer = api.get(f"/api/v1/diary/?{urlencode(query)}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def texts(page):
    return [row["text"] for row in page["results"]]


def one_of_each(owner):
    """A bot to which one thing of each kind has happened, a minute apart, in the order of the kinds."""
    bot = rows.bot(owner, name="Trend")
    book = bot.book
    decision = rows.decision(bot, items=0, cycle=rows.cycle(bot, slot=NOW), at=NOW + MINUTE, refused=True)
    rows.item(decision)
    rows.item(decision, action="close", symbol="ETH/USDT:USDT", outcome="refused")
    rows.item(decision, action="hold", outcome="held")
    order = builders.order(book, at=NOW + 2 * MINUTE)
    builders.trade(book, order=order, at=NOW + 3 * MINUTE, realised=Decimal("-12.5"), side="sell")
    position = builders.closed_position(book, "-12.5", fees=Decimal(5), closed_at=NOW + 4 * MINUTE)
    builders.cash_entry(book, "-0.75", kind="funding", position=position, at=NOW + 5 * MINUTE)
    builders.state(f"book:{book.pk}", "halted", book=book, reason="Halted by hand.", market_at=NOW + 6 * MINUTE)
    return bot


@pytest.mark.requirement("API-01")
def test_the_diary_tells_what_happened_newest_first(api, alice):
    bot = one_of_each(alice)
    builders.cash_entry(bot.book, "10000")  # a deposit is no event

    page = get(api)

    assert texts(page) == [
        "Trading of Trend became halted: Halted by hand.",
        "Trend paid 0.75 USDT of funding on BTC.",
        "Trend closed its long in BTC (target): −17.5 USDT net.",
        "Trend sold 0.1 BTC at 50000, paid 2.5 USDT and realised −12.5 USDT.",
        "Trend: entry to buy 0.1 BTC at 50000, open.",
        "Trend: open long BTC/USDT:USDT planned; close ETH/USDT:USDT refused.",
        "Trend ran its cycle and acted, with something refused.",
    ]
    assert [row["kind"] for row in page["results"]] == [
        "state", "cash", "position", "trade", "order", "decision", "cycle",
    ]  # fmt: skip
    assert {(row["bot"], row["book"]) for row in page["results"]} == {(bot.pk, bot.book_id)}
    trade = page["results"][3]
    assert trade["at"] == "2025-05-01T12:03:00Z"
    assert trade["ids"] == {"trade": trade["id"], "order": page["results"][4]["id"]}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"status": CycleStatus.FAILED, "error": "The deadline passed."},
            "A cycle of Trend failed: The deadline passed.",
        ),
        ({"status": CycleStatus.SKIPPED, "error": "It was late."}, "A cycle of Trend was skipped: It was late."),
        ({"status": CycleStatus.INTERRUPTED}, "A cycle of Trend was interrupted: no reason was left."),
    ],
)
def test_a_cycle_that_went_wrong_says_why(api, alice, fields, sentence):
    rows.cycle(rows.bot(alice, name="Trend"), **fields)

    assert texts(get(api)) == [sentence]


def test_a_hold_is_told_as_a_cycle_and_not_as_a_decision(api, alice):
    bot = rows.bot(alice, name="Trend")
    rows.decision(bot, items=1, acted=False)
    rows.cycle(bot, status=CycleStatus.RUNNING, ended_at=None)

    assert texts(get(api)) == ["Trend ran its cycle and held."]


def test_states_of_the_system_and_of_accounts_are_told(api, alice):
    account = rows.bot(alice).book.account
    states.change(scope=None, state="halted", reason="All stop", by=alice)
    states.change(scope=account, state="reduce_only", reason="", by=alice)

    assert set(texts(get(api))) == {
        "Trading of the system became halted: All stop.",
        f"Trading of the account {account.name} became reduce-only.",
    }


def test_a_change_of_state_stands_in_market_time(alice):
    book = rows.bot(alice).book
    states.change(scope=book, state="halted", reason="Late", by=alice)

    changed = TradingState.objects.get(book=book)

    assert changed.market_at == NOW
    assert changed.at > NOW


def test_what_happened_at_once_is_told_in_the_order_of_cause(api, alice):
    bot = rows.bot(alice)
    builders.trade(bot.book)
    builders.order(bot.book)
    rows.decision(bot, cycle=rows.cycle(bot, slot=NOW))
    builders.trade(bot.book)

    assert [row["kind"] for row in get(api)["results"]] == ["trade", "trade", "order", "decision", "cycle"]


def test_it_is_asked_for_by_bot_account_kind_and_time(api, alice):
    bot, other = one_of_each(alice), one_of_each(alice)

    assert {row["bot"] for row in get(api, bot=bot.pk)["results"]} == {bot.pk}
    assert {row["bot"] for row in get(api, account=other.book.account_id)["results"]} == {other.pk}
    assert get(api, bot=bot.pk, account=other.book.account_id)["results"] == []
    assert [row["kind"] for row in get(api, bot=bot.pk, kind="order, trade")["results"]] == ["trade", "order"]
    since, until = "2025-05-01T12:03:00Z", "2025-05-01T12:05:00Z"
    assert [row["kind"] for row in get(api, bot=bot.pk, since=since, until=until)["results"]] == ["position", "trade"]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_lead_through_everything_once_and_back(api, alice, size):
    for _ in range(2):
        one_of_each(alice)
    whole = [(row["kind"], row["id"]) for row in get(api, page_size=100)["results"]]

    forth, address, last = [], f"/api/v1/diary/?page_size={size}", None
    while address:
        page = api.get(address).json()
        forth.append([(row["kind"], row["id"]) for row in page["results"]])
        last, address = page, page["next"]
    back = []
    while last["previous"]:
        last = api.get(last["previous"]).json()
        back.append([(row["kind"], row["id"]) for row in last["results"]])

    assert [entry for page in forth for entry in page] == whole
    assert back == forth[-2::-1]
    assert len(whole) == 14


def test_the_number_of_queries_does_not_grow(api, alice):
    def queries(**query):
        with CaptureQueriesContext(connection) as captured:
            get(api, **query)
        return len(captured)

    one_of_each(alice)
    queries()  # the first request also loads what Django keeps
    one = queries()
    for _ in range(4):
        one_of_each(alice)

    assert queries() == one <= 20
    assert queries(page_size=5) <= one


def test_a_market_that_ran_has_a_diary_without_holes():
    feed = lockstep.market()
    lockstep.drive(feed, 10)
    client = APIClient()
    client.force_login(User.objects.get(username=demo.USER))

    whole, address = [], "/api/v1/diary/?page_size=17"
    while address:
        page = client.get(address).json()
        whole += page["results"]
        address = page["next"]

    assert [row["at"] for row in whole] == sorted((row["at"] for row in whole), reverse=True)
    assert len({(row["kind"], row["id"]) for row in whole}) == len(whole)
    assert {"cycle", "decision", "order", "trade"} <= {row["kind"] for row in whole}


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.requirement("SEC-02")
def test_the_diary_of_somebody_else_is_not_told(api, bob):
    foreign = one_of_each(bob)

    assert get(api)["results"] == []
    for name, pk in {"bot": foreign.pk, "account": foreign.book.account_id}.items():
        answer = api.get(f"/api/v1/diary/?{name}={pk}")
        assert (answer.status_code, answer.json()) == (400, {name: [f"You have no {name} with the id {pk}."]})


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"bot": "x"}, "You have no bot with the id x."),
        ({"kind": "gossip"}, "There is no kind gossip; choose one or more of cycle, decision, order,"),
        ({"since": "yesterday"}, "Datetime has wrong format."),
        ({"book": "1"}, "There is no filter book; there are account, bot, kind, since, until."),
    ],
)
def test_a_filter_that_cannot_be_meant_is_refused_in_one_sentence(api, query, sentence):
    answer = api.get(f"/api/v1/diary/?{urlencode(query)}")

    assert answer.status_code == 400
    assert answer.json()[next(iter(query))][0].startswith(sentence)
