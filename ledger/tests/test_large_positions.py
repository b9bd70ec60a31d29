"""Positions that are larger than their venue's largest order: stops and exits go in pieces, and none is refused."""

from decimal import Decimal

import pytest

from ledger import closing, comparing, protection
from ledger.models import Order, OrderState, Position
from ledger.tests.desk import Desk
from ledger.tests.fake_desk import BTC, FakeDesk
from markets.models import Instrument

pytestmark = pytest.mark.django_db
PIECES = [Decimal("0.034"), Decimal("0.033"), Decimal("0.033")]


@pytest.fixture
def desk(served, settings, monkeypatch):
    yield FakeDesk.connect(served, settings, monkeypatch)
    served.faults.clear()
    served.world.listed[BTC].extra.pop("max_quantity", None)


def shrink(desk, most="0.04", *, told=True):
    """From now on the exchange takes no larger order than this."""
    desk.fake.world.listed[BTC].extra["max_quantity"] = most
    if told:
        Instrument.objects.filter(pk=desk.instrument.pk).update(max_quantity=Decimal(most))


def posts(desk, since, path="/fapi/v1/order"):
    return [call for call in desk.fake.log.of(path, method="POST", since=since) if call.path.endswith(path)]


@pytest.mark.requirement("EXE-04")
def test_a_position_above_the_largest_order_keeps_stops_for_all_of_it(desk):
    desk.trade(desk.draft())
    shrink(desk)
    desk.round()
    desk.wait(5)

    for kind in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        assert [a.quantity for a in desk.customer.live_algos() if a.type == kind] == PIECES
    assert Position.objects.open().get().unprotected_since is None
    assert desk.balanced() == []
    assert desk.account.trouble == ""
    sent = desk.fake.log.last
    desk.wait(30, rounds=3)
    assert posts(desk, sent, "algoOrder") == []


@pytest.mark.requirement("EXE-04")
def test_its_stops_move_together_and_the_old_ones_stay_until_all_the_new_ones_rest(desk):
    desk.trade(desk.draft())
    shrink(desk)
    desk.round()
    Position.objects.update(stop=Decimal(49500))
    desk.fake.faults.add("status", "algoOrder", method="POST", skip=1, status=400, body='{"code":-2019,"msg":"No."}')
    desk.round()
    covered = sum(a.quantity for a in desk.customer.live_algos() if a.trigger == 49000)
    desk.wait(10, rounds=3)

    assert covered == Decimal("0.1")
    stops = [(a.trigger, a.quantity) for a in desk.customer.live_algos() if a.type == "STOP_MARKET"]
    assert stops == [(Decimal(49500), size) for size in PIECES]
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-01")
def test_an_exit_above_the_largest_order_goes_in_pieces_that_were_committed_before(desk, monkeypatch):
    desk.trade(desk.draft())
    shrink(desk)
    seen = []
    send = closing.ordering.send

    def watched(*, account, orders):
        seen.extend(Order.objects.filter(role="exit").values_list("state", flat=True))
        return send(account=account, orders=orders)

    monkeypatch.setattr(closing.ordering, "send", watched)
    since = desk.fake.log.last
    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)

    assert seen == [OrderState.PLANNED] * 3
    sent = posts(desk, since)
    assert [Decimal(call.fields["quantity"]) for call in sent] == PIECES
    assert {call.fields["reduceOnly"] for call in sent} == {"true"}
    assert desk.customer.position(BTC).quantity == 0
    desk.wait(5, rounds=2)
    assert desk.balanced() == []
    assert Position.objects.closed().get().exit_reason == "guardian"


@pytest.mark.requirement("EXE-03")
def test_a_piece_of_unknown_fate_is_looked_up_and_not_sent_again(desk):
    desk.trade(desk.draft())
    shrink(desk)
    desk.fake.faults.add("drop", "/fapi/v1/order", method="POST", skip=1)
    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
    desk.wait(8, rounds=2)

    assert desk.customer.position(BTC).quantity == 0
    assert len([o for o in desk.customer.orders.values() if o.reduce_only]) == 3
    assert desk.balanced() == []


def test_pieces_that_are_refused_together_are_one_failed_exit(desk):
    desk.trade(desk.draft())
    shrink(desk)
    desk.fake.faults.add(
        "status", "/fapi/v1/order", method="POST", times=3, status=400, body='{"code":-2019,"msg":"No."}'
    )
    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
    desk.round()

    assert list(Order.objects.filter(role="exit").values_list("state", flat=True)) == [OrderState.REFUSED] * 3
    assert "exit_refused" not in desk.alerts()


def test_each_stop_is_handed_over_for_sending_once(desk, monkeypatch):
    desk.trade(desk.draft())
    handed = []
    send = protection.ordering.send

    def watched(*, account, orders):
        handed.extend(order.pk for order in orders)
        return send(account=account, orders=orders)

    monkeypatch.setattr(protection.ordering, "send", watched)
    Position.objects.update(stop=Decimal(49500))
    desk.round()

    assert handed == [desk.stop().pk]


def test_a_maximum_that_was_not_known_here_is_asked_for_and_the_next_exit_fits(desk):
    desk.trade(desk.draft())
    shrink(desk, told=False)
    Position.objects.update(expires_at=desk.now)
    since = desk.fake.log.last
    desk.wait(10, rounds=3)

    assert desk.customer.position(BTC).quantity == 0
    assert [Decimal(call.fields["quantity"]) for call in posts(desk, since)] == [Decimal("0.1"), *PIECES]
    assert desk.balanced() == []


def test_the_comparison_still_tells_of_a_second_order_for_the_whole(desk):
    desk.trade(desk.draft())
    shrink(desk)
    desk.round()
    stop = desk.stop()
    assert comparing._doubles(desk.account) == []

    stop.pk, stop.client_id, stop.replaces = None, "5d1fcd2e-9b7a-4a38-8f39-9a3a4a40a1aa", None
    stop.save()
    [found] = comparing._doubles(desk.account)
    assert (found.ledger, found.venue) == ("4", "at most 1")


def test_our_own_venue_closes_in_pieces_too():
    desk = Desk.open()
    desk.trade(desk.draft())
    Instrument.objects.update(max_quantity=Decimal("0.04"))
    Position.objects.update(expires_at=desk.now)
    desk.instrument.refresh_from_db()
    desk.move("50100")
    desk.move("50100")

    assert desk.position() is None
    assert [o.quantity for o in Order.objects.filter(role="exit").order_by("id")] == PIECES
