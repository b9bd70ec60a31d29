"""What the exchange has and we missed is imported; what is not ours is left alone; an account that differs stops."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import adopting, guardian_watch, ordering, reconciliation, states
from ledger.domain.intents import Kind
from ledger.models import (
    Account,
    AuditEntry,
    Book,
    CashEntry,
    Discrepancy,
    Order,
    OrderState,
    Outcome,
    Position,
    Trade,
    TradingState,
)
from ledger.tests.live_desk import LiveDesk
from ledger.tests.test_fill_order import undone
from markets.domain.orders import OrderRequest, OrderType, Side
from markets.exchanges.base import KeyRefused, Unanswered
from markets.models import Instrument

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch):
    return LiveDesk.connect(monkeypatch)


def by_hand(desk, side=Side.BUY, quantity="0.2", type=OrderType.MARKET, **more) -> OrderRequest:
    return OrderRequest("x", desk.instrument.symbol, side, type, Decimal(quantity), leverage=5, **more)


def check(desk, **how):
    found = reconciliation.check(account=desk.account, wall=datetime.now(UTC), **how)
    desk.collected()
    return [str(difference) for difference in found]


def halted(desk) -> bool:
    return TradingState.objects.current().filter(account=desk.account, state="halted").exists()


@pytest.mark.requirement("LED-06")
def test_fills_that_no_report_brought_are_imported_and_the_difference_is_kept(desk):
    desk.exchange.held_back = True
    entry = desk.commit(desk.draft())[0]
    ordering.claim(entry)
    desk.exchange.send(ordering._request(entry, datetime.now(UTC)))

    assert check(desk) == []

    assert desk.position().quantity == Decimal("0.1")
    rows = {row.what: row for row in Discrepancy.objects.all()}
    assert {row.outcome for row in rows.values()} == {Outcome.IMPORTED}
    assert "position in BTC/USDT:USDT" in rows
    assert "imported" in rows["wallet"].done
    assert not halted(desk)


@pytest.mark.requirement("LED-06")
def test_a_wallet_that_differs_stops_the_account_after_a_second_look_and_resumes_by_itself(desk):
    before = desk.exchange.state
    from dataclasses import replace

    desk.exchange.state = replace(before, wallet=before.wallet + Decimal("0.00000001"))
    assert len(check(desk, at_once=False)) == 1
    assert not halted(desk)
    check(desk, at_once=False)
    assert halted(desk)
    assert desk.account.trouble.startswith("wallet: the ledger says 10000")
    desk.round()
    assert "not_reconciled" in desk.alerts()

    desk.exchange.state = before
    assert check(desk) == []
    assert not halted(desk)
    assert desk.account.trouble == ""
    assert Discrepancy.objects.get().outcome == Outcome.SETTLED
    desk.round()
    assert desk.alerts() == []


@pytest.mark.requirement("LED-06")
def test_a_halt_by_a_person_is_not_lifted_by_agreement(desk):
    from ledger import states

    states.change(scope=desk.account, state="halted", reason="Me", by=desk.account.owner)
    assert check(desk) == []
    assert halted(desk)


@pytest.mark.requirement("LED-06")
def test_what_somebody_else_did_is_recorded_told_and_left_alone(desk):
    desk.exchange.elsewhere(by_hand(desk))
    desk.exchange.elsewhere(by_hand(desk, Side.SELL, type=OrderType.LIMIT, price=Decimal(60000)))
    sent = len(desk.exchange.sent)

    desk.wait(70, rounds=3)

    position = desk.position()
    assert (position.book.kind, position.quantity, position.intent) == ("unassigned", Decimal("0.2"), None)
    row = Discrepancy.objects.standing().get()
    assert row.outcome == Outcome.FOREIGN
    assert len(desk.exchange.sent) == sent
    assert desk.exchange.cancelled == []
    assert desk.alerts() == ["foreign", "foreign"]
    assert not halted(desk)


@pytest.mark.requirement("LED-06")
def test_a_foreign_position_is_adopted_by_hand_and_then_covered(desk):
    desk.exchange.elsewhere(by_hand(desk))
    desk.wait(70, rounds=2)
    position = desk.position()
    unassigned = Book.objects.get(kind="unassigned")
    owner = desk.account.owner

    with pytest.raises(adopting.NotAdopted, match="must be below the price"):
        adopting.adopt(position=position, book=desk.book, stop=Decimal(51000), by=owner, wall=desk.now)
    with pytest.raises(adopting.NotAdopted, match="no bot's book"):
        adopting.adopt(position=position, book=unassigned, stop=Decimal(49000), by=owner, wall=desk.now)
    Instrument.objects.update(max_quantity=Decimal("0.009"))
    with pytest.raises(adopting.NotAdopted, match="does not cover all of it"):
        adopting.adopt(position=position, book=desk.book, stop=Decimal(49000), by=owner, wall=desk.now)
    Instrument.objects.update(max_quantity=None)
    adopting.adopt(position=position, book=desk.book, stop=Decimal(49000), by=owner, wall=desk.now)
    desk.wait(4, rounds=2)

    assert desk.position().book == desk.book
    assert desk.stop().quantity == Decimal("0.2")
    assert AuditEntry.objects.filter(kind="order").count() == 1
    assert check(desk) == []
    assert desk.alerts() == []


@pytest.mark.requirement("LED-06")
def test_the_venues_figures_can_be_accepted_by_hand(desk):
    from dataclasses import replace

    desk.exchange.state = replace(desk.exchange.state, wallet=desk.exchange.state.wallet - Decimal("3.21"))
    check(desk)
    assert halted(desk)
    row = Discrepancy.objects.standing().get()

    adopting.accept(row=row, by=desk.account.owner, wall=datetime.now(UTC))
    desk.round()

    row.refresh_from_db()
    assert row.outcome == Outcome.ACCEPTED
    assert CashEntry.objects.get(kind="adjustment").amount == Decimal("-3.21")
    assert check(desk) == []
    assert not halted(desk)
    with pytest.raises(adopting.NotAdopted, match="over already"):
        adopting.accept(row=row, by=desk.account.owner, wall=datetime.now(UTC))


@pytest.mark.requirement("LED-06")
def test_an_order_that_ended_here_and_rests_there_lives_again_and_is_swept(desk):
    entry = desk.trade(desk.draft(limit=Decimal(45000), stop=Decimal(44000)))
    assert entry.state == OrderState.OPEN
    Order.objects.filter(pk=entry.pk).update(state=OrderState.CANCELLED, closed_at=desk.now)
    Position.objects.update(state="closed", closed_at=desk.now)

    desk.wait(70, rounds=3)

    assert desk.exchange.cancelled == [str(entry.client_id)]
    assert not desk.exchange.state.orders
    assert check(desk) == []


@pytest.mark.requirement("LED-06")
def test_a_silent_venue_is_no_empty_venue(desk):
    desk.trade(desk.draft())
    desk.exchange.silent = Unanswered("No answer within 10 s.")
    assert check(desk) == []
    assert desk.position() is not None
    assert desk.account.reconciled_at is None
    assert not halted(desk)


@pytest.mark.requirement("LED-02")
def test_a_key_that_is_refused_halts_its_account_alone_and_is_told(desk, monkeypatch):
    other = LiveDesk.connect(monkeypatch, name="other desk")
    desk.exchange.silent = KeyRefused("the exchange answers 401, invalid API key")
    desk.round()

    assert "refuses the key" in Account.objects.get(pk=desk.account.pk).trouble
    assert halted(desk)
    assert not halted(other)
    desk.round()
    assert "key" in desk.alerts()


@pytest.mark.requirement("LED-06")
def test_every_live_account_is_compared_each_minute_and_when_asked(desk):
    desk.round()
    assert Account.objects.get().reconciled_at is not None
    assert guardian_watch.due(datetime.now(UTC)) == []
    assert guardian_watch.due(datetime.now(UTC) + timedelta(seconds=61)) == [desk.account]
    Account.objects.update(compare_asked_at=datetime.now(UTC))
    assert guardian_watch.due(datetime.now(UTC)) == [desk.account]


def test_the_command_compares_a_live_account_too(desk, capsys):
    call_command("reconcile", "live desk")
    assert "live desk: agrees with its venue" in capsys.readouterr().out


@contextmanager
def as_it_was(exchange):
    kept = exchange.state, list(exchange.log), dict(exchange.known), list(exchange.sent)
    try:
        yield
    finally:
        exchange.state, exchange.log, exchange.known, exchange.sent = kept


class Aborted(Exception):
    """The process dies here."""


@pytest.mark.requirement("LED-06")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_number_of_aborts_gives_the_same_result(desk, data):
    """The exchange did things while we were away; the import is cut off at any question, any number of times."""
    with undone(), as_it_was(desk.exchange):
        entry = desk.commit(desk.draft())[0]
        ordering.claim(entry)
        desk.exchange.send(ordering._request(entry, datetime.now(UTC)))
        desk.exchange.elsewhere(by_hand(desk, Side.SELL, "0.03"))
        desk.exchange.pay("funding", "-1.5", symbol=desk.instrument.symbol)
        desk.exchange.pay("transfer", "250")
        for questions in data.draw(st.lists(st.integers(0, 12), max_size=4)):
            _abort_after(desk, questions)
        assert check(desk) == []
        trades = Trade.objects.count()
        assert (desk.position().quantity, trades) == (Decimal("0.07"), 2)
        assert check(desk) == []
        assert Trade.objects.count() == trades


def _abort_after(desk, questions: int) -> None:
    asked = iter(range(questions))
    original = desk.exchange._ask

    def ask():
        if next(asked, None) is None:
            raise Aborted
        original()

    desk.exchange._ask = ask
    try:
        reconciliation.check(account=desk.account, wall=datetime.now(UTC))
    except Aborted:
        pass
    finally:
        del desk.exchange._ask
        desk.collected()


@pytest.mark.requirement("LED-06")
def test_a_ledger_that_was_set_back_in_time_imports_what_it_has_forgotten(desk):
    """A restored backup does not know its newest orders: what they did is booked, and nobody acts on it unasked."""
    desk.trade(desk.draft())
    with undone():
        desk.trade(desk.draft(Kind.ADD, "0.05"))
    desk.collected()
    desk.older(10)
    sent = len(desk.exchange.sent)

    assert check(desk) == []

    assert desk.position().quantity == Decimal("0.15")
    assert Trade.objects.count() == 2
    assert len(desk.exchange.sent) == sent
    foreign = Discrepancy.objects.standing().filter(outcome=Outcome.FOREIGN)
    assert foreign.count() == 2  # stop and target of the forgotten size
    desk.wait(4, rounds=2)
    assert desk.stop().quantity == Decimal("0.15")


@pytest.mark.requirement("LED-06")
def test_after_a_silence_what_a_person_had_limited_is_limited_again(desk):
    states.change(scope=desk.account, state="reduce_only", reason="No entries.", by=desk.account.owner)
    desk.exchange.silent = Unanswered("No answer within 10 s.")
    desk.wait(120, rounds=3)
    assert states.strictest(desk.book) == "halted"

    desk.exchange.silent = None
    desk.wait(130, rounds=2)
    assert states.strictest(desk.book) == "reduce_only"


@pytest.mark.requirement("LED-02")
def test_a_key_that_failed_its_check_does_not_pass_by_answering(desk):
    Account.objects.update(check_passed=False, check_result="This key may withdraw.", armed=False)
    desk.round()
    desk.account.refresh_from_db()
    assert (desk.account.check_passed, desk.account.check_result) == (False, "This key may withdraw.")
