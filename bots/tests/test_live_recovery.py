"""A live account in trouble holds up neither the start of the product nor the other accounts of its feed."""

from datetime import UTC, datetime

import pytest

from bots import dispatch, live_dispatch
from ledger import guardian_watch
from ledger.models import Account, AccountKind, OrderState
from ledger.tests import builders
from ledger.tests.live_desk import LiveDesk
from ledger.tests.scripted import DROPPED
from markets.exchanges.base import Unanswered
from markets.models import FeedKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch):
    return LiveDesk.connect(monkeypatch)


@pytest.mark.requirement("EXE-03")
def test_an_order_of_unknown_fate_does_not_hold_up_its_feed(desk):
    desk.exchange.script = [DROPPED]
    entry = desk.trade(desk.draft())
    assert entry.state == OrderState.UNKNOWN
    assert not dispatch.in_doubt(desk.account.feed)


@pytest.mark.requirement("LED-06")
def test_the_product_starts_while_an_exchange_is_silent(desk):
    desk.trade(desk.draft())
    desk.exchange.silent = Unanswered("No answer within 10 s.")
    builders.account(name="not opened yet", kind=AccountKind.LIVE, feed=desk.account.feed)

    assert dispatch.recover(feed=desk.account.feed) == 0
    desk.round()

    assert Account.objects.get(name="not opened yet").trouble == ""
    assert desk.position() is not None


@pytest.mark.requirement("LED-06")
def test_every_live_account_is_compared_at_the_start_of_the_guardian(desk):
    desk.round()
    assert guardian_watch.due(datetime.now(UTC)) == []
    guardian_watch.ask_all(datetime.now(UTC))
    assert guardian_watch.due(datetime.now(UTC)) == [desk.account]


@pytest.mark.requirement("RSK-06")
def test_an_account_without_a_venue_does_not_stop_the_sweep_of_others(desk, monkeypatch):
    other = LiveDesk.connect(monkeypatch, name="other desk")
    for one in (desk, other):
        one.trade(one.draft())
    from ledger import gateway

    exchanges = {other.account.pk: other.exchange}

    def venue(account):
        if account.pk not in exchanges:
            raise gateway.NoVenue("It has no key.")
        return exchanges[account.pk]

    monkeypatch.setattr(gateway, "live_venue", venue)
    other.exchange.lose(str(other.stop().client_id))
    other.older(10)
    other.round()
    other.wait(3)

    assert len([o for o in other.exchange.state.orders if o.request.type == "stop"]) == 1


@pytest.mark.requirement("LED-06")
def test_the_product_starts_while_one_account_cannot_be_booked(desk):
    desk.trade(desk.draft())
    desk.exchange.log.append("what nobody can read")
    assert dispatch.recover(feed=desk.account.feed) == 0


def test_one_feed_in_trouble_does_not_hold_up_the_next(desk, monkeypatch):
    live_dispatch.forget()
    builders.feed("another", kind=FeedKind.LIVE, exchange="okx", running=True)
    claim_due, looked = live_dispatch.claim_due, []

    def failing(*, feed, now):
        looked.append(feed.pk)
        if len(looked) == 1:
            raise RuntimeError("The database is on fire.")
        return claim_due(feed=feed, now=now)

    monkeypatch.setattr(live_dispatch, "claim_due", failing)
    assert live_dispatch.tick(enqueue=lambda cycle: None) == 1
    assert len(looked) == 2
