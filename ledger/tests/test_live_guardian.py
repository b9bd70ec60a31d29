"""Bracket or flat on an exchange that loses, refuses and forgets orders: invariants I2 and I3, round by round."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ledger import (
    closing,
    gateway,
    guardian,
    live_orders,
    ordering,
    protection,
    reconciliation,
    reports,
    states,
    valuation,
)
from ledger.domain.patience import EXIT_CAP
from ledger.models import Account, Book, Order, OrderState, Position, TradingState
from ledger.tests import builders
from ledger.tests.desk import Desk
from ledger.tests.live_desk import LiveDesk
from ledger.tests.scripted import DROPPED, HELD_BACK, LOST, REFUSED
from markets.domain.orders import OrderRequest, OrderType, Side
from markets.exchanges.base import Unanswered
from markets.models import Instrument

pytestmark = pytest.mark.django_db
HALF_A_MINUTE = 30


@pytest.fixture
def desk(monkeypatch):
    return LiveDesk.connect(monkeypatch)


def stops(desk) -> list[OrderRequest]:
    return [order.request for order in desk.exchange.state.orders if order.request.type == "stop"]


def held(desk) -> Decimal:
    position = desk.exchange.state.positions.get(desk.instrument.symbol)
    return position.quantity if position else Decimal(0)


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_was_dropped_silently_is_placed_again(desk):
    desk.trade(desk.draft())
    desk.exchange.lose(str(desk.stop().client_id))
    desk.older(10)

    desk.round()
    desk.wait(3)

    [resting] = stops(desk)
    assert (resting.trigger, resting.quantity) == (Decimal(49000), Decimal("0.1"))
    position = desk.position()
    assert position.unprotected_since is None
    assert position.unprotected_seconds > 0


@pytest.mark.requirement("EXE-04")
def test_a_stop_whose_reply_was_lost_is_found_and_not_sent_again(desk):
    desk.exchange.of_type["stop"] = [LOST]
    desk.trade(desk.draft())
    desk.wait(2)

    assert len(stops(desk)) == 1
    assert desk.position().unprotected_since is None
    assert desk.stop().state == OrderState.OPEN


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_never_arrived_is_replaced_by_another_within_seconds(desk):
    desk.exchange.of_type["stop"] = [DROPPED]
    desk.trade(desk.draft())
    desk.wait(4, rounds=2)

    assert len(stops(desk)) == 1
    first, second = Order.objects.filter(role="stop").order_by("id")
    assert (first.state, second.state, second.replaces_id) == (OrderState.UNKNOWN, OrderState.OPEN, first.pk)
    assert desk.position().unprotected_since is None


@pytest.mark.requirement("EXE-04")
@pytest.mark.parametrize("arrived", [False, True])
def test_a_stop_whose_process_died_on_the_way_is_looked_up_and_made_up_for_within_seconds(desk, arrived):
    die = desk.exchange.send

    def dying(request):
        if request.type == "stop":
            if arrived:
                die(request)
            raise KeyboardInterrupt
        return die(request)

    desk.exchange.send = dying
    with pytest.raises(KeyboardInterrupt):
        desk.trade(desk.draft())
    desk.exchange.send = die
    assert Order.objects.get(role="stop").state == OrderState.SENDING

    desk.wait(3, rounds=2)

    assert len(stops(desk)) == 1
    assert desk.position().unprotected_since is None
    assert desk.position().quantity == held(desk) == Decimal("0.1")
    assert Order.objects.filter(role="stop").count() == (1 if arrived else 2)


@pytest.mark.requirement("EXE-04")
def test_an_entry_whose_process_died_before_the_answer_is_booked_and_covered_at_the_next_round(desk):
    send = desk.exchange.send

    def dying(request):
        send(request)
        raise KeyboardInterrupt

    desk.exchange.send = dying
    with pytest.raises(KeyboardInterrupt):
        desk.trade(desk.draft())
    desk.exchange.send = send

    desk.wait(2)

    assert desk.position().quantity == held(desk) == desk.stop().quantity == Decimal("0.1")
    assert len(stops(desk)) == 1


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_arrives_after_another_took_its_place_leaves_one(desk):
    send, slow = desk.exchange.send, []

    def slowly(request):
        if request.type == "stop" and not slow:
            slow.append(request)
            desk.wait(3)  # the guardian has looked for it meanwhile
            assert [other.client_id for other in stops(desk)] != [request.client_id]
        return send(request)

    desk.exchange.send = slowly
    desk.trade(desk.draft())
    assert len(stops(desk)) == 2

    desk.wait(4, rounds=2)

    assert len(stops(desk)) == 1
    assert desk.position().unprotected_since is None
    assert held(desk) == Decimal("0.1")
    assert Order.objects.resting().filter(role="stop").count() == 1


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_moves_is_not_looked_up_early_while_the_old_one_protects(desk):
    desk.trade(desk.draft())
    desk.round()
    first = desk.stop()
    Position.objects.update(stop=Decimal(49500))
    desk.exchange.of_type["stop"] = [DROPPED]
    desk.round()
    moving = Order.objects.filter(role="stop").exclude(pk=first.pk).get()
    Order.objects.filter(pk=moving.pk).update(state=OrderState.SENDING, lookups=0, lookup_at=None)

    desk.wait(3)

    moving.refresh_from_db()
    assert (moving.state, moving.lookups) == (OrderState.SENDING, 0)


@pytest.mark.requirement("EXE-04")
def test_a_position_whose_stop_cannot_be_confirmed_is_closed_within_seconds(desk):
    desk.exchange.of_type["stop"] = [DROPPED] * 20
    desk.trade(desk.draft())

    desk.wait(8, rounds=4)

    assert held(desk) == 0
    assert desk.position() is None
    assert Position.objects.closed().get().exit_reason == "guardian"


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_the_exchange_refuses_closes_the_position_at_once(desk):
    desk.exchange.of_type["stop"] = [REFUSED]
    desk.trade(desk.draft())
    assert held(desk) == 0


@pytest.mark.requirement("EXE-04")
def test_replacing_a_stop_whose_second_call_fails_leaves_the_first(desk):
    desk.trade(desk.draft())
    first = desk.stop()
    desk.exchange.of_type["stop"] = [DROPPED]
    Position.objects.update(stop=Decimal(49500))

    desk.round()
    assert str(first.client_id) in {request.client_id for request in stops(desk)}

    desk.wait(4, rounds=2)
    [resting] = stops(desk)
    assert resting.trigger == Decimal(49500)


@pytest.mark.requirement("EXE-04")
def test_an_orphan_is_swept_and_a_close_by_hand_ends_the_stop(desk):
    desk.trade(desk.draft())
    request = OrderRequest("x", desk.instrument.symbol, Side.SELL, OrderType.MARKET, Decimal("0.1"), reduce_only=True)
    desk.exchange.elsewhere(request)

    desk.wait(4, rounds=2)

    assert desk.position() is None
    assert Position.objects.closed().get().exit_reason == "closed at the venue"
    assert not desk.exchange.state.orders
    assert reconciliation.check(account=desk.account, wall=desk.now) == []


@pytest.mark.requirement("EXE-04")
def test_a_part_filled_entry_that_is_cancelled_keeps_a_stop_of_its_size(desk):
    entry = desk.trade(desk.draft(limit=Decimal(49500), stop=Decimal(48000)))
    desk.exchange.trickle("49400", "0.4")
    desk.round()
    part = desk.position().quantity
    assert 0 < part < Decimal("0.1")
    assert [request.quantity for request in stops(desk)] == [part]

    desk.exchange.trickle("49400", "0.2")
    desk.round()
    assert desk.position().quantity > part
    part = desk.position().quantity
    desk.exchange.cancel(str(entry.client_id))
    desk.older(5)
    desk.round()

    entry.refresh_from_db()
    assert (entry.state, entry.filled) == (OrderState.CANCELLED, part)
    assert (desk.position().quantity, [request.quantity for request in stops(desk)]) == (part, [part])


@pytest.mark.requirement("RSK-06")
def test_exits_that_fail_are_spaced_capped_and_told(desk):
    desk.trade(desk.draft())
    desk.exchange.of_type["market"] = [REFUSED] * 50
    Position.objects.update(expires_at=desk.now)

    desk.wait(HALF_A_MINUTE * 4, rounds=60)

    exits = [request for request in desk.exchange.sent if request.type == "market" and request.reduce_only]
    assert EXIT_CAP < len(exits) <= 8
    state = TradingState.objects.current().get(book=desk.book)
    assert state.state == "reduce_only"
    assert "exits of BTC/USDT:USDT failed" in state.reason
    assert "exit_refused" in desk.alerts()

    desk.exchange.of_type["market"] = []
    desk.wait(130, rounds=3)
    assert held(desk) == 0
    assert "exit_refused" not in desk.alerts()


def test_an_exit_of_unknown_fate_is_waited_for_and_then_tried_anew(desk):
    desk.trade(desk.draft())
    desk.exchange.of_type["market"] = [DROPPED]
    Position.objects.update(expires_at=desk.now)

    desk.round()
    assert held(desk) != 0
    desk.wait(12, rounds=4)

    assert held(desk) == 0
    assert desk.position() is None


@pytest.mark.requirement("RSK-06")
def test_one_silent_exchange_does_not_hold_up_the_others(desk, monkeypatch):
    other = LiveDesk.connect(monkeypatch, name="other desk")
    for one in (desk, other):
        one.trade(one.draft())
    desk.exchange.silent = Unanswered("No answer within 10 s.")
    other.exchange.lose(str(other.stop().client_id))
    other.older(10)

    other.round()
    other.wait(3)

    assert len(stops(other)) == 1


@pytest.mark.requirement("RSK-06")
def test_a_flatten_request_is_carried_out(desk):
    from ledger import states

    desk.trade(desk.draft())
    states.request_flatten(book=desk.book, reason="test", by=None, now=desk.now)
    desk.wait(2)
    assert held(desk) == 0
    desk.book.refresh_from_db()
    desk.wait(2)
    desk.book.refresh_from_db()
    assert desk.book.flatten_requested_at is None


@pytest.mark.requirement("EXE-04")
def test_a_trailing_stop_follows_and_is_never_missing(desk):
    desk.trade(desk.draft(trail=Decimal("0.02"), target=Decimal(70000)))
    desk.move("52000")
    assert [request.trigger for request in stops(desk)] == [Decimal(50960)]


def test_nothing_is_sent_while_live_trading_is_off(desk, settings):
    settings.LIVE_TRADING = False
    entry = desk.trade(desk.draft())

    assert entry.state == OrderState.REFUSED
    assert entry.reason == gateway.LIVE_IS_OFF
    assert desk.exchange.sent == []


def test_where_live_trading_was_switched_off_nothing_piles_up(desk, settings):
    desk.trade(desk.draft())
    settings.LIVE_TRADING = False
    desk.exchange.lose(str(desk.stop().client_id))
    desk.older(30)
    desk.round()
    rows = Order.objects.count()

    desk.wait(60, rounds=6)

    assert Order.objects.count() == rows
    assert "unprotected" in desk.alerts()


def test_an_account_that_is_not_armed_enters_nothing_and_keeps_its_stops(desk):
    desk.trade(desk.draft())
    Account.objects.update(armed=False)
    desk.account.refresh_from_db()
    desk.exchange.lose(str(desk.stop().client_id))
    desk.older(10)
    desk.round()
    desk.wait(3)
    assert len(stops(desk)) == 1

    other = builders.instrument("ETH/USDT:USDT")
    order = builders.order(desk.book, instrument=other, state=OrderState.PLANNED)
    answers = ordering.send(account=desk.account, orders=[order])
    assert answers[order.pk].code == "not_armed"


@pytest.mark.requirement("EXE-01")
def test_a_refused_entry_gives_its_place_back(desk):
    desk.exchange.script = [REFUSED]
    entry = desk.trade(desk.draft())
    assert entry.state == OrderState.REFUSED
    assert desk.position() is None


@pytest.mark.requirement("EXE-01")
def test_a_remainder_that_the_exchange_refuses_to_close_is_booked_as_dust(desk):
    desk.trade(desk.draft(quantity="0.005"))
    Instrument.objects.update(min_quantity=Decimal("0.01"))
    desk.exchange.of_type["market"] = [REFUSED] * 9
    Position.objects.update(expires_at=desk.now)

    desk.wait(30, rounds=6)

    closed = Position.objects.closed().get()
    assert (closed.exit_reason, closed.quantity) == ("dust", 0)
    rest = desk.position()
    assert (rest.book.kind, rest.quantity) == ("unassigned", Decimal("0.005"))
    assert len([r for r in desk.exchange.sent if r.type == "market" and r.reduce_only]) == 1
    assert desk.alerts() == ["dust"]
    desk.wait(10, rounds=2)
    assert not stops(desk)
    assert reconciliation.check(account=desk.account, wall=desk.now) == []


@pytest.mark.parametrize("quantity", ["0.0004", "0.005"], ids=["less than a step", "refused"])
def test_a_flatten_ends_although_dust_is_kept_apart_and_sends_for_it_once(desk, quantity):
    desk.trade(desk.draft(quantity="0.005"))
    desk.exchange.of_type["market"] = [REFUSED] * 9
    Instrument.objects.update(min_quantity=Decimal("0.01"))
    Position.objects.update(expires_at=desk.now)
    desk.wait(30, rounds=6)
    assert desk.position().book.kind == "unassigned"
    Position.objects.open().update(quantity=Decimal(quantity))
    held = Position.objects.count()
    states.flatten_account(account=desk.account, by=None, now=desk.now)
    for _ in range(6):
        desk.older(5)
        guardian.sweep(feed=desk.account.feed, now=desk.now)

    assert Position.objects.count() == held
    assert not Book.objects.filter(flatten_requested_at__isnull=False).exists()
    assert len([r for r in desk.exchange.sent if r.type == "market" and r.reduce_only]) <= 2


def test_a_position_that_may_be_closed_is_never_dust(desk):
    desk.trade(desk.draft())
    desk.exchange.of_type["market"] = [REFUSED]
    Position.objects.update(expires_at=desk.now)
    desk.wait(20, rounds=4)
    assert Position.objects.closed().get().exit_reason == "guardian"


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_could_not_be_sent_is_sent_at_the_next_round_and_closes_nothing(desk):
    desk.exchange.of_type["stop"] = [HELD_BACK]
    desk.trade(desk.draft())
    assert held(desk) == Decimal("0.1")

    desk.wait(2)

    assert [request.quantity for request in stops(desk)] == [Decimal("0.1")]
    assert desk.position().unprotected_since is None


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_cannot_be_sent_for_too_long_closes_the_position(desk):
    desk.exchange.of_type["stop"] = [HELD_BACK] * 20
    desk.trade(desk.draft())
    desk.wait(8, rounds=4)
    assert held(desk) == 0


@pytest.mark.requirement("EXE-04")
def test_an_order_that_is_told_filled_keeps_its_place_until_its_executions_are_listed(desk):
    desk.exchange.held_back = True
    entry = desk.trade(desk.draft())

    assert (entry.state, entry.told_filled, entry.filled) == (OrderState.PARTLY_FILLED, Decimal("0.1"), 0)
    assert Position.objects.get().state == "opening"
    assert valuation.account_portfolio(account=desk.account).books[desk.book.pk].pending
    assert live_orders._urgent(desk.account)

    desk.exchange.held_back = False
    desk.round()
    entry.refresh_from_db()
    assert entry.state == OrderState.FILLED
    assert len(stops(desk)) == 1


@pytest.mark.requirement("RSK-06")
def test_one_account_that_cannot_be_booked_does_not_hold_up_the_others_and_stops_trading(desk, monkeypatch):
    other = LiveDesk.connect(monkeypatch, name="other desk")
    for one in (desk, other):
        one.trade(one.draft())
    Position.objects.filter(account=desk.account).update(stop=Decimal(48000))
    desk.exchange.log.append("what nobody can read")
    stop = other.stop()
    other.exchange.lose(str(stop.client_id))
    Order.objects.filter(pk=stop.pk).update(state="cancelled", closed_at=desk.now)

    other.round()
    other.wait(HALF_A_MINUTE, rounds=3)
    other.wait(HALF_A_MINUTE + 1)

    assert other.stop() is not None
    assert states.strictest(desk.book) == "halted"
    assert states.strictest(other.book) == "active"


def test_an_error_stops_the_sweep_of_a_lock_step_market():
    paper = Desk.open().account
    with pytest.raises(KeyError), guardian.one_account(paper):
        raise KeyError("a broken invariant")


@pytest.mark.requirement("EXE-04")
def test_two_who_look_at_the_same_moment_place_one_stop(desk):
    entry = desk.commit(desk.draft())[0]
    answers = ordering.send(account=desk.account, orders=[entry])
    reports.collect(account=desk.account, now=desk.now, answers=answers)
    looks = [closing.open_positions(account=desk.account) for _ in range(2)]

    for positions in looks:
        account = Account.objects.select_related("feed").get(pk=desk.account.pk)
        protection.protect(account=account, positions=positions, now=desk.now)
    assert len(stops(desk)) == 1


@pytest.mark.requirement("EXE-04")
def test_two_who_look_at_the_same_moment_send_one_exit(desk):
    desk.trade(desk.draft())
    looks = [closing.open_positions(account=desk.account)[0] for _ in range(2)]

    made = [
        closing._exit(desk.account, position, "test", desk.now + timedelta(seconds=n))
        for n, position in enumerate(looks)
    ]
    assert [len(orders) for orders in made] == [1, 0]


@pytest.mark.requirement("EXE-04")
def test_an_exit_over_which_a_process_died_is_waited_for_no_longer_than_it_can_arrive(desk):
    desk.trade(desk.draft())
    Position.objects.update(expires_at=desk.now)
    before = desk.now - timedelta(minutes=1)
    [order] = closing._exit(desk.account, closing.open_positions(account=desk.account)[0], "time limit", before)
    assert ordering.claim(order)

    desk.wait(20)
    assert desk.position() is not None
    desk.wait(15)
    assert desk.position() is None


@pytest.mark.requirement("EXE-05")
def test_a_trailing_stop_does_not_loosen_what_a_decision_has_tightened_meanwhile(desk):
    desk.trade(desk.draft(trail=Decimal("0.05")))
    position = closing.open_positions(account=desk.account)[0]
    position.mark = Decimal(52000)
    Position.objects.filter(pk=position.pk).update(stop=Decimal(49900))

    protection._trail(position)
    assert Position.objects.get().stop == position.stop == Decimal(49900)


@pytest.mark.requirement("RSK-06")
def test_rules_never_loosen_what_a_person_has_halted(desk):
    person = builders.user("dora")
    states.change(scope=desk.book, state="halted", reason="Stop it.", by=person)
    states.request_flatten(book=desk.book, reason="flat", by=None, now=desk.now)
    states.tighten(scope=desk.book, state="reduce_only", reason="3 exits failed", by=None)
    assert states.strictest(desk.book) == "halted"
