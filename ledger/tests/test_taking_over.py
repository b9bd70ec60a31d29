"""Orders that somebody else sent are adopted by hand: ours is placed first, then the other one is cancelled."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from ledger import adopting
from ledger.models import AuditEntry, Discrepancy, Outcome, Position
from ledger.tests import builders
from ledger.tests.fake_desk import BTC
from markets.tests.fake_exchange import trading
from markets.tests.fake_exchange.account import Conditional, Placed

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("LED-06")]


def foreign(desk, type="STOP_MARKET", trigger="48500", side="SELL", **changes):
    """A conditional order from the exchange's own pages, and its row here."""
    customer, now = desk.customer, desk.fake.world.now()
    fields = {"reduce_only": True, "close_position": False} | changes
    number = customer.number()
    customer.algos[number] = Conditional(
        number, f"web_{number}", BTC, side, type, Decimal("0.1"), Decimal(trigger), "CONTRACT_PRICE",
        fields["reduce_only"], fields["close_position"], now, now,
    )  # fmt: skip
    desk.wait(70)
    return customer.algos[number], Discrepancy.objects.standing().get(what=f"order web_{number}")


def adopt(desk, row, rounds=4):
    adopting.adopt_order(row=row, by=desk.account.owner, wall=datetime.now(UTC))
    for _ in range(rounds):
        desk.wait(3)
    row.refresh_from_db()
    return row


def stops(desk):
    return [(a.client_id[:4], a.trigger) for a in desk.customer.live_algos() if "STOP" in a.type]


def test_a_foreign_stop_becomes_the_stop_of_the_position_and_is_then_cancelled(desk):
    desk.trade(desk.draft())
    order, row = foreign(desk)
    assert row.venue == "stop sell 0.1 BTC/USDT:USDT at 48500, reduce-only, open"
    bare = []
    end = trading.end_algo

    def watched(account, algo, *args):
        if algo is order:
            bare.append(
                [a.trigger for a in account.live_algos() if a.client_id != order.client_id and "STOP" in a.type]
            )
        return end(account, algo, *args)

    trading.end_algo = watched
    try:
        adopt(desk, row)
    finally:
        trading.end_algo = end

    assert (row.outcome, row.by) == (Outcome.ADOPTED, desk.account.owner)
    assert "Adopted into bot" in row.done
    assert order.status == "CANCELED"
    assert Decimal(48500) in bare[0]  # ours rested before
    assert Position.objects.open().get().stop == Decimal(48500)
    assert [trigger for _, trigger in stops(desk)] == [Decimal(48500)]
    assert AuditEntry.objects.filter(kind="order", change__contains="adopted").exists()
    assert desk.alerts() == []
    assert desk.balanced() == []


def test_a_stop_for_the_whole_position_and_a_target_can_be_adopted_too(desk):
    desk.trade(desk.draft())
    _, whole = foreign(desk, reduce_only=False, close_position=True)
    _, target = foreign(desk, type="TAKE_PROFIT_MARKET", trigger="52500")
    adopt(desk, whole, rounds=0)
    adopt(desk, target)

    assert list(Position.objects.values_list("stop", "target")) == [(Decimal(48500), Decimal(52500))]
    assert len(list(desk.customer.live_algos())) == 2
    assert desk.balanced() == []


@pytest.mark.parametrize(
    ("held", "how", "why"),
    [
        (True, {"reduce_only": False}, "one that may open a position"),
        (True, {"side": "BUY", "trigger": "52000"}, "would not close the long position"),
        (True, {"type": "TRAILING_STOP_MARKET", "trigger": "48000"}, "this is a trailing stop"),
        (False, {}, "adopt the position first"),
    ],
)
def test_what_cannot_be_adopted_says_so_in_one_sentence_and_is_left_alone(desk, held, how, why):
    if held:
        desk.trade(desk.draft())
    order, row = foreign(desk, **how)
    adopt(desk, row, rounds=1)

    assert (row.outcome, row.by) == (Outcome.FOREIGN, None)
    assert row.done.startswith("Not adopted: ")
    assert why in row.done
    assert order.live
    assert not held or Position.objects.get().stop == Decimal(49000)


def test_the_stop_of_a_plan_that_trails_is_not_put_back_to_where_another_one_stands(desk):
    desk.trade(desk.draft(trail=Decimal("0.02")))
    order, row = foreign(desk)
    desk.move("51000")
    trailed = Position.objects.get().stop
    assert trailed == Decimal(49980)
    adopt(desk, row)

    assert Position.objects.get().stop == trailed
    assert (row.by, order.live) == (None, True)
    assert "follows the price" in row.done


def test_what_cannot_be_placed_now_is_not_asked_about_at_every_round(desk, settings):
    desk.trade(desk.draft())
    order, row = foreign(desk)
    settings.LIVE_TRADING = False
    adopt(desk, row)

    assert (row.by, order.live) == (desk.account.owner, True)
    assert desk.account.compare_asked_at is None
    settings.LIVE_TRADING = True
    desk.wait(70)
    desk.wait(3)
    assert not order.live


def test_of_two_stops_at_different_prices_one_is_taken_over_at_a_time(desk):
    desk.trade(desk.draft())
    _, one = foreign(desk)
    other, second = foreign(desk, trigger="48000")
    adopt(desk, one, rounds=0)
    adopt(desk, second)
    one.refresh_from_db()

    assert (one.outcome, Position.objects.get().stop) == (Outcome.ADOPTED, Decimal(48500))
    assert (second.by, other.live) == (None, True)
    assert "another stop of BTC/USDT:USDT" in second.done
    desk.fake.limits.used = 0  # a minute has passed
    assert adopt(desk, second).outcome == Outcome.ADOPTED
    assert Position.objects.get().stop == Decimal(48000)


def test_an_entry_by_hand_is_not_adopted_and_nothing_is_adopted_twice(desk):
    customer, now = desk.customer, desk.fake.world.now()
    order = Placed(
        customer.number(), "web_1", BTC, "BUY", "LIMIT", Decimal("0.1"), Decimal(40000), "GTC", False, now, now
    )
    customer.orders[order.id] = order
    desk.wait(70)
    row = Discrepancy.objects.standing().get(what="order web_1")
    adopting.adopt_order(row=row, by=desk.account.owner, wall=desk.now)
    with pytest.raises(adopting.NotAdopted, match="already"):
        adopting.adopt_order(row=row, by=desk.account.owner, wall=desk.now)
    desk.wait(3)
    row.refresh_from_db()
    assert "this is a limit order" in row.done
    assert order.live


def test_page_api_and_others(desk, client):
    desk.trade(desk.draft())
    _, row = foreign(desk)
    client.force_login(builders.user("bob"))
    assert client.post(reverse("adopt-order", args=[row.pk])).status_code == 404
    client.force_login(desk.account.owner)
    assert reverse("adopt-order", args=[row.pk]) in client.get("/accounts/").content.decode()
    said = client.post(reverse("adopt-order", args=[row.pk]), follow=True).content.decode()
    assert "taken over at the guardian" in said
    row.refresh_from_db()
    assert row.by == desk.account.owner

    text = "a" * 43
    builders.token(text=text, scope="admin")
    how = {"headers": {"Authorization": f"Token {text}"}, "content_type": "application/json"}
    again = client.post(f"/api/v1/accounts/{desk.account.pk}/adopt-order/", {"difference": row.pk}, **how)
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)
