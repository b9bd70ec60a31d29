"""An order of unknown fate is looked up until its fate is certain, blocks meanwhile, and is never sent again."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger import lookups as asking
from ledger import ordering, reconciliation, reports, valuation
from ledger.domain import lookups
from ledger.models import Account, Order, OrderState, Position, Trade
from ledger.tests.live_desk import LiveDesk
from ledger.tests.scripted import DROPPED, LOST
from markets.exchanges.base import Unanswered

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch):
    return LiveDesk.connect(monkeypatch)


def blocked(desk) -> bool:
    portfolio = valuation.account_portfolio(account=desk.account).books[desk.book.pk]
    return desk.instrument.symbol in portfolio.blocked


@pytest.mark.requirement("EXE-01")
def test_a_live_entry_is_filled_covered_and_agrees(desk):
    entry = desk.trade(desk.draft())

    assert entry.state == OrderState.FILLED
    assert (desk.position().quantity, desk.stop().quantity) == (Decimal("0.1"), Decimal("0.1"))
    assert reconciliation.check(account=desk.account, wall=desk.now) == []
    desk.round()
    assert desk.position().unprotected_since is None
    assert desk.alerts() == []


@pytest.mark.requirement("EXE-03")
def test_a_lost_reply_blocks_the_instrument_until_the_order_is_found_and_covered(desk):
    desk.exchange.script = [LOST]
    entry = desk.trade(desk.draft())
    entry.refresh_from_db()
    assert entry.state in (OrderState.UNKNOWN, OrderState.FILLED)

    desk.wait(2)

    entry.refresh_from_db()
    assert (entry.state, entry.filled) == (OrderState.FILLED, Decimal("0.1"))
    assert desk.stop().quantity == Decimal("0.1")
    assert not blocked(desk)
    assert [request.type for request in desk.exchange.sent].count("market") == 1
    assert reconciliation.check(account=desk.account, wall=desk.now) == []


@pytest.mark.requirement("EXE-03")
def test_not_found_is_final_only_after_tries_and_minutes(desk):
    desk.exchange.script = [DROPPED]
    entry = desk.trade(desk.draft())
    assert entry.state == OrderState.UNKNOWN
    assert blocked(desk)

    desk.wait(lookups.PATIENCE.total_seconds() - 60, rounds=10)
    entry.refresh_from_db()
    assert entry.state == OrderState.UNKNOWN
    assert entry.lookups >= lookups.TRIES
    assert desk.alerts() == ["unknown_order"]
    assert blocked(desk)

    desk.wait(61, rounds=3)
    entry.refresh_from_db()
    assert entry.state == OrderState.REFUSED
    assert "never arrived" in entry.reason
    assert desk.position() is None
    assert not blocked(desk)
    assert desk.alerts() == []
    assert len(desk.exchange.sent) == 1


@pytest.mark.requirement("EXE-03")
def test_an_order_is_not_given_up_while_the_position_holds_something_unexplained(desk):
    desk.exchange.script = [LOST]
    desk.exchange.held_back = True
    entry = desk.commit(desk.draft())[0]
    desk.exchange.hidden.add(str(entry.client_id))
    answers = ordering.send(account=desk.account, orders=[entry])
    reports.collect(account=desk.account, now=desk.now, answers=answers)

    desk.wait(lookups.PATIENCE.total_seconds() + 60, rounds=10)
    entry.refresh_from_db()
    assert entry.state in (OrderState.UNKNOWN, OrderState.FILLED)
    assert entry.state != OrderState.REFUSED


@pytest.mark.requirement("EXE-03")
def test_an_order_that_shows_up_minutes_late_is_adopted(desk):
    desk.exchange.script = [LOST]
    entry = desk.commit(desk.draft())[0]
    desk.exchange.hidden.add(str(entry.client_id))
    desk.exchange.held_back = True
    answers = ordering.send(account=desk.account, orders=[entry])
    reports.collect(account=desk.account, now=desk.now, answers=answers)
    desk.wait(120, rounds=6)

    desk.exchange.hidden.clear()
    desk.exchange.held_back = False
    desk.wait(40, rounds=2)

    entry.refresh_from_db()
    assert (entry.state, desk.position().quantity) == (OrderState.FILLED, Decimal("0.1"))
    assert desk.stop() is not None
    assert Trade.objects.count() == 1
    assert len([r for r in desk.exchange.sent if r.type == "market" and not r.reduce_only]) == 1


def test_a_fill_of_an_order_that_was_written_off_is_adopted_and_covered(desk):
    entry = desk.commit(desk.draft())[0]
    ordering.claim(entry)
    Order.objects.filter(pk=entry.pk).update(
        state=OrderState.REFUSED, lookups=6, closed_at=datetime.now(UTC), reason="never arrived"
    )
    Position.objects.update(state="closed", closed_at=datetime.now(UTC))

    desk.exchange.send(ordering._request(entry, datetime.now(UTC)))
    desk.wait(2)

    entry.refresh_from_db()
    assert entry.state == OrderState.FILLED
    assert desk.position().quantity == Decimal("0.1")
    assert desk.stop().quantity == Decimal("0.1")


@pytest.mark.requirement("EXE-03")
def test_a_process_that_died_after_its_claim_leaves_an_order_that_is_looked_up(desk):
    entry = desk.commit(desk.draft())[0]
    ordering.send(account=desk.account, orders=[entry])  # and no answer is ever recorded

    reports.resolve(account=desk.account, now=desk.now, alone=True)
    desk.round()

    entry.refresh_from_db()
    assert entry.state == OrderState.FILLED
    assert desk.stop() is not None
    assert len([r for r in desk.exchange.sent if not r.reduce_only]) == 1


def test_a_silent_venue_proves_nothing_and_is_told(desk):
    desk.exchange.script = [DROPPED]
    entry = desk.trade(desk.draft())
    desk.exchange.silent = Unanswered("No answer within 10 s.")

    desk.wait(lookups.PATIENCE.total_seconds() + 120, rounds=8)

    entry.refresh_from_db()
    assert entry.state == OrderState.UNKNOWN
    assert "unreachable" in desk.alerts()
    desk.account.refresh_from_db()
    assert "does not answer" in desk.account.trouble

    desk.exchange.silent = None
    desk.wait(240, rounds=12)
    entry.refresh_from_db()
    desk.account.refresh_from_db()
    assert entry.state == OrderState.REFUSED
    assert desk.account.trouble == ""
    assert desk.alerts() == []


@pytest.mark.requirement("EXE-03")
def test_a_look_in_vain_does_not_overwrite_what_was_booked_meanwhile(desk):
    desk.exchange.script = [LOST]
    desk.exchange.held_back = True
    entry = desk.commit(desk.draft())[0]
    desk.exchange.hidden.add(str(entry.client_id))
    reports.collect(account=desk.account, now=desk.now, answers=ordering.send(account=desk.account, orders=[entry]))
    Order.objects.update(lookup_at=datetime.now(UTC))
    open_orders = desk.exchange.open_orders

    def meanwhile():
        desk.exchange.open_orders = open_orders
        desk.exchange.held_back = False
        desk.exchange.hidden.clear()
        reports.resolve(account=Account.objects.select_related("feed").get(pk=desk.account.pk), now=desk.now)
        return open_orders()

    desk.exchange.open_orders = meanwhile
    reports.resolve(account=desk.account, now=desk.now)

    entry.refresh_from_db()
    assert (entry.state, entry.filled) == (OrderState.FILLED, Decimal("0.1"))


@pytest.mark.requirement("EXE-03")
def test_an_order_that_was_never_sent_cannot_be_sent_once_it_is_given_up(desk):
    entry = desk.commit(desk.draft())[0]
    answers = asking.fates(account=desk.account, alone=True)

    assert answers == {entry.pk: asking.UNSENT}
    assert not ordering.claim(entry)
    assert asking.fates(account=desk.account, alone=False) == {}  # and who was faster keeps it
