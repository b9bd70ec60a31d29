"""A limit entry that nobody takes is moved a few times and by little, and then given up."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.enforcement import ENTRY_LIFETIME
from ledger.domain.repricing import CHASE, MOST, repriced
from ledger.models import Account, Order, OrderState, Position
from ledger.tests.live_desk import LiveDesk
from markets.domain.instruments import InstrumentRules
from markets.tests.live_desk import RULES

WAITS = 125  # seconds


@pytest.fixture
def desk(monkeypatch):
    desk = LiveDesk.connect(monkeypatch)
    entry = desk.trade(desk.draft(limit=Decimal(49900), stop=Decimal(48000)))
    assert entry.state == OrderState.OPEN
    return desk


def limits(desk) -> list[Decimal]:
    return [order.request.price for order in desk.exchange.state.orders if order.request.type == "limit"]


@pytest.mark.django_db
@pytest.mark.requirement("EXE-01")
def test_it_follows_the_market_a_few_times_and_no_further_than_allowed(desk):
    desk.exchange.quote = desk.exchange.view("50400")  # nobody sells for less
    for price in ("50050", "50120", "50300", "50350"):
        desk.quote(price)
        desk.wait(WAITS)
        assert len(limits(desk)) <= 1

    entries = Order.objects.filter(role="entry").order_by("id")
    assert len(entries) == 1 + MOST
    assert [order.state for order in entries[:MOST]] == [OrderState.CANCELLED] * MOST
    assert limits(desk) == [Decimal("50150.0")]  # 0.3 % above the price it was judged at
    position = Position.objects.get(state="opening")
    assert (position.stop, position.intent) == (Decimal(48000), entries[0].intent)

    desk.exchange.trickle("50100", "100")
    desk.wait(3)
    assert desk.position().quantity == Decimal("0.1")
    assert desk.stop().trigger == Decimal(48000)


@pytest.mark.django_db
@pytest.mark.requirement("EXE-01")
def test_it_is_given_up_after_its_time(desk):
    desk.exchange.quote = desk.exchange.view("50400")
    desk.quote("49890")
    desk.wait(ENTRY_LIFETIME.total_seconds() + 60, rounds=2)
    assert limits(desk) == []
    assert desk.position() is None


@pytest.mark.django_db
def test_it_stays_where_there_is_no_room_or_no_permission(desk):
    from ledger import states

    desk.quote("50100")
    states.change(scope=desk.book, state="reduce_only", reason="test", by=None)
    desk.wait(WAITS)
    assert Order.objects.filter(role="entry").count() == 1

    states.change(scope=desk.book, state="active", reason="test", by=None)
    Account.objects.update(max_exposure=Decimal("0.1"))
    again = desk.trade(desk.draft(limit=Decimal(49900), stop=Decimal(48000))) if not desk.position() else None
    desk.wait(WAITS)
    assert Order.objects.filter(role="entry").count() == (2 if again else 1)


prices = st.integers(1, 10**7).map(lambda n: Decimal(n) / 10)


@given(long=st.booleans(), limit=prices, judged=prices, mark=prices)
def test_it_only_comes_nearer_and_never_beyond_its_bound(long, limit, judged, mark):
    rules: InstrumentRules = RULES
    found = repriced(long=long, limit=limit, judged_at=judged, mark=mark, rules=rules)
    if found is None:
        return
    assert found > limit if long else found < limit
    assert found <= judged * (1 + CHASE) if long else found >= judged * (1 - CHASE)
    assert found % rules.tick == 0
