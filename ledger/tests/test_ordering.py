"""An order is committed before it is sent, sent once, and never without its bracket."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError

from ledger import guardian, ordering, reports
from ledger.domain.intents import Kind
from ledger.models import Book, Order, OrderState, Position, PositionState, Role, Trade
from ledger.reconciliation import differences
from ledger.tests.desk import Desk
from markets.domain.orders import Refused, Unknown
from markets.exchanges.paper import PaperVenue

pytestmark = pytest.mark.django_db
IDLE_TRANSACTION = timedelta(seconds=60)  # after which the settings let PostgreSQL end one


def live(desk: Desk) -> dict[str, Order]:
    return {order.role: order for order in Order.objects.live().filter(account=desk.account)}


@pytest.mark.requirement("EXE-01")
def test_an_entry_is_filled_and_covered_at_once():
    desk = Desk.open()

    entry = desk.trade(desk.draft())

    position = desk.position()
    assert (entry.state, position.state, position.quantity) == (OrderState.FILLED, PositionState.OPEN, Decimal("0.1"))
    assert {role: (o.trigger, o.quantity, o.reduce_only) for role, o in live(desk).items()} == {
        Role.STOP: (Decimal(49000), Decimal("0.1"), True),
        Role.TARGET: (Decimal(53000), Decimal("0.1"), True),
    }
    assert differences(desk.account) == []


@pytest.mark.requirement("EXE-03")
def test_an_order_is_a_committed_row_before_the_venue_hears_of_it():
    desk = Desk.open()

    order = desk.commit(desk.draft())[0]

    assert Order.objects.get(pk=order.pk).state == OrderState.PLANNED
    assert PaperVenue(desk.account.key, desk.account.feed).order(str(order.client_id)) is None
    assert desk.position().state == PositionState.OPENING


@pytest.mark.requirement("EXE-03")
def test_an_order_is_sent_once_however_often_it_is_asked_for():
    desk = Desk.open()
    orders = desk.commit(desk.draft())

    assert len(ordering.send(account=desk.account, orders=orders)) == 1
    assert ordering.send(account=desk.account, orders=orders) == {}


def test_the_same_intent_cannot_be_committed_twice():
    desk = Desk.open()
    desk.commit(desk.draft(), reference="cycle:1")
    with pytest.raises(IntegrityError):
        desk.commit(desk.draft(), reference="cycle:1")


def test_an_older_fence_can_neither_commit_nor_send():
    desk = Desk.open()
    orders = desk.commit(desk.draft())
    Book.objects.filter(pk=desk.book.pk).update(fence=desk.book.fence + 1)

    assert ordering.send(account=desk.account, orders=orders) == {}
    with pytest.raises(ordering.Superseded):
        desk.commit(desk.draft(), fence=desk.book.fence)


@pytest.mark.requirement("EXE-03")
def test_an_order_that_reaches_its_venue_too_late_is_refused_there(monkeypatch):
    desk = Desk.open()
    orders = desk.commit(desk.draft())
    monkeypatch.setattr(ordering, "RECEIVE_WINDOW", timedelta(seconds=-1))  # the sender froze after its claim

    [answer] = ordering.send(account=desk.account, orders=orders).values()

    assert (type(answer), answer.code) == (Refused, "too_late")
    assert PaperVenue(desk.account.key, desk.account.feed).order(str(orders[0].client_id)) is None
    reports.collect(account=desk.account, now=desk.now, answers={orders[0].pk: answer})
    assert desk.position() is None
    assert "too late" in Order.objects.get().reason


def test_what_is_too_late_for_its_venue_is_so_before_it_is_looked_up():
    assert ordering.RECEIVE_WINDOW + IDLE_TRANSACTION <= ordering.IN_FLIGHT


def test_a_portfolio_that_has_gone_stale_is_read_again():
    desk = Desk.open()
    from ledger import valuation

    seen = valuation.account_portfolio(account=desk.account)
    desk.account.__class__.objects.filter(pk=desk.account.pk).update(revision=99)
    cause = ordering.Cause(ordering.Source.DECISION, "cycle:1", desk.now, desk.book.fence)
    with ordering.locked(book=desk.book, seen=seen, cause=cause) as portfolio:
        assert portfolio is not seen
        assert portfolio.books == seen.books


@pytest.mark.requirement("EXE-04")
def test_a_stop_hit_between_cycles_closes_the_position_and_ends_the_target():
    desk = Desk.open()
    desk.trade(desk.draft())

    desk.move("48500")

    assert desk.position() is None
    closed = Position.objects.closed().get()
    assert (closed.exit_reason, closed.quantity) == ("stop", 0)
    assert closed.net < 0
    assert live(desk) == {}
    assert differences(desk.account) == []


def test_an_exit_by_decision_frees_everything():
    desk = Desk.open()
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.CLOSE))

    assert desk.position() is None
    assert live(desk) == {}
    assert Position.objects.closed().get().exit_reason == "decision"


def test_a_reduced_position_keeps_a_stop_of_its_size():
    desk = Desk.open()
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.REDUCE, "0.04"))

    assert live(desk)[Role.STOP].quantity == Decimal("0.06")
    assert differences(desk.account) == []


def test_a_grown_position_keeps_a_stop_of_its_size():
    desk = Desk.open(capital="50000")
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.ADD, "0.05"))

    assert desk.position().quantity == Decimal("0.15")
    assert live(desk)[Role.STOP].quantity == Decimal("0.15")
    assert differences(desk.account) == []


def test_an_add_may_bring_a_new_stop_for_the_whole():
    desk = Desk.open()
    desk.trade(desk.draft())
    desk.trade(desk.draft(Kind.ADD, "0.05", stop=Decimal(49500)))

    position = Position.objects.get()
    assert (position.stop, position.target) == (49500, 53000)
    assert position.quantity == Decimal("0.15")


@pytest.mark.requirement("EXE-04")
def test_a_moved_stop_is_never_missing():
    desk = Desk.open()
    desk.trade(desk.draft())
    first = live(desk)[Role.STOP]

    desk.commit(desk.draft(Kind.ADJUST_EXITS, "0", stop=Decimal(49500)))
    guardian.sweep(feed=desk.account.feed, now=desk.now)

    first.refresh_from_db()
    moved = live(desk)[Role.STOP]
    assert (first.state, moved.trigger, moved.replaces_id) == (OrderState.CANCELLED, Decimal(49500), first.pk)
    assert moved.id > first.id


def test_a_stop_that_the_venue_refuses_leads_to_an_exit_at_once():
    desk = Desk.open()
    desk.trade(desk.draft(stop=Decimal(50500)))

    assert desk.position() is None
    assert Position.objects.closed().get().exit_reason == "guardian"
    assert differences(desk.account) == []


def test_a_refused_entry_gives_its_place_back():
    desk = Desk.open(capital="100")
    entry = desk.trade(desk.draft())

    assert entry.state == OrderState.REFUSED
    assert "available" in entry.reason
    assert desk.position() is None
    assert not Position.objects.closed().exists()


def test_an_order_in_doubt_blocks_the_instrument_until_it_is_found():
    desk = Desk.open()
    order = desk.commit(desk.draft())[0]
    ordering.claim(order)
    reports.collect(account=desk.account, now=desk.now, answers={order.pk: Unknown("No answer within 10 s.")})

    from ledger import valuation

    portfolio = valuation.account_portfolio(account=desk.account).books[desk.book.pk]
    assert desk.instrument.symbol in portfolio.blocked

    reports.resolve(account=desk.account, now=desk.now, alone=True)
    order.refresh_from_db()
    assert (order.state, order.reason) == (
        OrderState.REFUSED,
        "The venue does not know this order: it never arrived.",
    )
    assert desk.position() is None


@pytest.mark.requirement("EXE-03")
def test_a_process_that_dies_after_sending_finds_its_fill_and_covers_it():
    desk = Desk.open()
    orders = desk.commit(desk.draft())
    ordering.send(account=desk.account, orders=orders)  # and no answer is ever recorded

    reports.resolve(account=desk.account, now=desk.now, alone=True)
    guardian.sweep(feed=desk.account.feed, now=desk.now)

    orders[0].refresh_from_db()
    assert orders[0].state == OrderState.FILLED
    assert Trade.objects.count() == 1
    assert differences(desk.account) == []


def test_a_process_that_dies_before_sending_drops_the_entry():
    desk = Desk.open()
    order = desk.commit(desk.draft())[0]

    reports.resolve(account=desk.account, now=desk.now, alone=True)

    order.refresh_from_db()
    assert order.state == OrderState.REFUSED
    assert desk.position() is None


def test_a_stop_left_unsent_is_sent_by_the_guardian():
    desk = Desk.open()
    orders = desk.commit(desk.draft())
    reports.collect(account=desk.account, now=desk.now, answers=ordering.send(account=desk.account, orders=orders))
    position = desk.position()
    ordering.protective(
        position=position, role=Role.STOP, trigger=Decimal(49000), quantity=Decimal("0.1"), replaces=None, at=desk.now
    )

    guardian.sweep(feed=desk.account.feed, now=desk.now)

    assert live(desk)[Role.STOP].state == OrderState.OPEN
    assert differences(desk.account) == []


@pytest.mark.requirement("BOT-13")
def test_a_time_limit_closes_the_position():
    from datetime import timedelta

    desk = Desk.open()
    desk.trade(desk.draft(expires_at=desk.now + timedelta(minutes=2)))
    desk.move("50010")
    assert desk.position() is not None
    desk.move("50020")
    assert desk.position() is None


@pytest.mark.requirement("BOT-13")
def test_a_trailing_stop_follows_the_price():
    desk = Desk.open()
    desk.trade(desk.draft(trail=Decimal("0.02"), target=Decimal(70000)))
    desk.move("52000")
    desk.move("51900")

    assert live(desk)[Role.STOP].trigger == Decimal(50960)
    assert differences(desk.account) == []
