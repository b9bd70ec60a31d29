"""Fifty intents at once, of several books and accounts: what all of them may hold together is never exceeded."""

import threading
from datetime import UTC, datetime
from decimal import Decimal as D

import pytest
from django.db import connections

from bots import cycle, deciders
from bots.models import BotStatus, Cycle, CycleStatus, DecisionItem
from bots.tests import rows
from ledger import accounts, valuation
from ledger.models import Account, Order, User
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.requirement("RSK-04")]
BOTS, EACH = 10, 5


class Eager:
    """Buys everything its bot may trade, all at once."""

    name, remote, description = "test:eager", False, ""

    def decide(self, briefing):
        return {"summary": "All in.", "items": [
            {"symbol": symbol, "action": "open_long", "conviction": 0.9, "stop": 49_000, "target": 53_000}
            for symbol in briefing.snapshot.instruments
        ]}  # fmt: skip


@pytest.fixture
def crowd(monkeypatch):
    """Ten bots with five instruments of their own each; they share as many accounts as are asked for."""
    monkeypatch.setattr(deciders, "get", lambda name: Eager())

    def made(account_count):
        owner, feed = builders.user(), builders.feed(market_now=NOW)
        own = [
            accounts.open_paper_account(
                owner=owner, name=f"desk {n}", feed=feed, deposit=D(10_000) / account_count, at=NOW
            )
            for n in range(account_count)
        ]
        return [bot(own[n % account_count], n) for n in range(BOTS)]

    return made


def bot(account, number):
    instruments = [builders.instrument(f"C{number}{letter}/USDT:USDT") for letter in "ABCDE"]
    for instrument in instruments:
        builders.quote(instrument, price="50000", feed=account.feed, liquidity=D(10**9), at=NOW)
    book = accounts.open_book(account=account, name=f"book {number}", capital=D(1000), at=NOW)
    return rows.bot(account.owner, book=book, instruments=instruments, status=BotStatus.RUNNING)


def run_together(bots):
    """A cycle of each bot, each in a thread of its own, all begun at the same moment."""
    queued = [
        Cycle.objects.create(bot=one, slot=NOW, status=CycleStatus.QUEUED, queued_at=datetime.now(UTC)).pk
        for one in bots
    ]
    start = threading.Barrier(len(queued))

    def work(pk):
        start.wait()
        try:
            cycle.run(cycle_id=pk)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(pk,)) for pk in queued]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = Cycle.objects.filter(pk__in=queued)
    assert {one.status for one in ended} == {CycleStatus.DONE}, [one.error for one in ended]


def exposure(owner):
    mine = Account.objects.filter(owner=owner).select_related("owner", "feed")
    return sum(valuation.account_portfolio(account=account).exposure for account in mine)


def answered(code):
    """What became of the fifty items, as the last verdict of this rule says."""
    items = DecisionItem.objects.all()
    assert items.count() == BOTS * EACH
    verdicts = [verdict for item in items for verdict in item.verdicts if verdict["code"] == code]
    return {effect: sum(verdict["effect"] == effect for verdict in verdicts) for effect in ("allow", "shrink", "deny")}


def test_fifty_intents_of_ten_books_never_exceed_the_budget_of_their_account(crowd):
    bots = crowd(1)
    Account.objects.update(max_exposure=D("0.5"))

    run_together(bots)

    used = exposure(bots[0].owner)
    assert D(4900) < used <= D(5000)
    told = answered("account_exposure")
    assert told["allow"] > 5
    assert told["deny"] > 5
    refused = Order.objects.filter(state="refused")
    assert not refused.exists(), list(refused.values_list("role", "reason"))


def test_fifty_intents_on_five_accounts_never_exceed_the_budget_of_their_owner(crowd):
    bots = crowd(5)
    User.objects.update(max_exposure=D("0.4"))

    run_together(bots)

    used = exposure(bots[0].owner)
    assert D(3900) < used <= D(4000)
    assert answered("user_exposure")["deny"] > 5


def test_without_a_budget_of_their_own_only_the_limits_of_each_bot_hold(crowd):
    bots = crowd(1)

    run_together(bots)

    assert exposure(bots[0].owner) > D(10_000)
