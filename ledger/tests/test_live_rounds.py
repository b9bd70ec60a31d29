"""Live accounts are looked after side by side, and at once where their private streams have news."""

import threading
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger import guardian_watch, live_hints, live_rounds
from ledger.models import Order, Trade
from ledger.tests.fake_desk import BTC, FakeDesk
from ledger.tests.live_desk import LiveDesk
from markets.tests.fake_exchange import FakeExchange, trading

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 30


@pytest.fixture
def lanes(monkeypatch):
    """Threads of this test alone."""
    made = live_rounds._Lanes()
    monkeypatch.setattr(live_rounds, "_lanes", made)
    yield made
    for thread in made._threads.values():
        thread.submit(_close)
        thread.shutdown()


def _close():
    from django.db import connections

    connections.close_all()


def until(true) -> bool:
    """Look again and again, for `SECONDS` at most."""
    pause = threading.Event()
    return any(true() or pause.wait(0.05) for _ in range(SECONDS * 20))


@pytest.mark.requirement("RSK-06")
def test_an_exchange_that_is_slow_with_one_account_does_not_hold_up_another(monkeypatch, lanes):
    slow, other = LiveDesk.connect(monkeypatch), LiveDesk.connect(monkeypatch, name="other desk")
    other.trade(other.draft())
    other.exchange.lose(str(other.stop().client_id))
    Order.objects.filter(role="stop").update(state="cancelled", closed_at=datetime.now(UTC))
    monkeypatch.setattr(live_rounds, "LANES", 64)
    monkeypatch.setattr(live_rounds, "PATIENCE", 0.05)
    answers = threading.Event()
    slow.exchange.reports = lambda after: [answers.wait(SECONDS)][:0]

    busy = live_rounds.one_round(accounts=[slow.account, other.account], due=set(), now=datetime.now(UTC))
    try:
        assert slow.account.pk in busy
        assert until(lambda: other.stop() is not None)
        assert slow.account.pk in lanes.busy()
    finally:
        answers.set()
    assert until(lambda: not lanes.busy())


@pytest.mark.requirement("RSK-06")
def test_a_limit_whose_exchange_does_not_answer_holds_up_neither_the_round_nor_another_account(monkeypatch, lanes):
    slow, other = LiveDesk.connect(monkeypatch), LiveDesk.connect(monkeypatch, name="other desk")
    slow.exchange.quote = slow.exchange.view("50400")
    slow.trade(slow.draft(limit=Decimal(49900), stop=Decimal(48000)))
    other.trade(other.draft())
    slow.quote("50100")
    slow.older(125)
    other.exchange.lose(str(other.stop().client_id))
    Order.objects.filter(role="stop").update(state="cancelled", closed_at=datetime.now(UTC))
    monkeypatch.setattr(live_rounds, "LANES", 64)
    monkeypatch.setattr(live_rounds, "PATIENCE", 0.05)
    asked, answers = threading.Event(), threading.Event()
    cancel = slow.exchange.cancel

    def late(client_id):
        asked.set()
        answers.wait(SECONDS)
        return cancel(client_id)

    slow.exchange.cancel = late
    try:
        for _ in range(3):  # each comes to its end although the exchange of one account says nothing
            guardian_watch.one_round(datetime.now(UTC))
        assert until(asked.is_set)
        assert not answers.is_set()
        assert until(lambda: other.stop() is not None)
        assert slow.account.pk in lanes.busy()
    finally:
        answers.set()
    assert until(lambda: not lanes.busy())
    assert Order.objects.filter(account=slow.account, role="entry").count() == 2


@pytest.mark.requirement("RSK-06")
def test_accounts_have_a_thread_each(lanes, monkeypatch):
    monkeypatch.setattr(live_rounds, "LANES", 64)
    together = threading.Barrier(9)
    for account in range(1, 9):
        lanes.submit(account, lambda: together.wait(SECONDS))
    together.wait(SECONDS)


@pytest.mark.requirement("EXE-04")
def test_news_of_the_private_stream_is_looked_at_at_once(settings, monkeypatch, lanes):
    with FakeExchange() as fake:
        desk = FakeDesk.connect(fake, settings, monkeypatch)
        entry = desk.trade(desk.draft())
        listeners = live_hints.Listeners()
        listeners.follow([desk.account])
        try:
            assert until(lambda: bool(desk.customer.listeners))
            trading.outsider(desk.customer, BTC, "SELL", "0.1")
            assert until(lambda: Trade.objects.exclude(order=entry).exists())
        finally:
            listeners.stop()
            until(lambda: not lanes.busy())
