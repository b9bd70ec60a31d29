"""A live account over the whole way: ledger, live venue, ccxt, HTTP and the fake exchange."""

import random
from decimal import Decimal

import pytest

from ledger import reports
from ledger.domain.intents import Kind
from ledger.gateway import NoVenue, venue_of
from ledger.models import CashEntry, OrderState, Position, Trade
from ledger.tests import builders
from ledger.tests.fake_desk import BTC, FakeDesk
from markets.tests.fake_exchange import FakeExchange, trading

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def desk(served, settings, monkeypatch):
    yield FakeDesk.connect(served, settings, monkeypatch)
    served.world.maintenance = False


@pytest.mark.requirement("EXE-04")
def test_an_entry_gets_its_bracket_and_everything_agrees_to_the_last_unit(desk):
    order = desk.trade(desk.draft())
    desk.round()

    assert order.state == OrderState.FILLED
    assert {a.type for a in desk.customer.live_algos()} == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}
    assert desk.balanced() == []
