"""The live venue over the real ccxt, against the fake exchange: orders, answers, brackets, modes, reports."""

from decimal import Decimal

import pytest

from markets.domain.orders import Confirmed, VenueStatus

from .fake_exchange import FakeExchange
from .live_desk import LiveDesk


@pytest.fixture(scope="module")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def desk(served, settings):
    from .fake_exchange import binanceusdm_private

    served.faults.clear()
    served.log.clear()
    binanceusdm_private._accounts.pop(served.world, None)
    yield LiveDesk.open(served, settings)
    for world in served.worlds.values():
        world.maintenance = False
        world.freeze(False)


def test_an_entry_is_confirmed_and_its_executions_are_reported(desk):
    request, answer = desk.send(quantity="0.010")

    assert isinstance(answer, Confirmed)
    assert answer.report.status is VenueStatus.FILLED
    assert answer.report.client_id == request.client_id
    assert desk.held == Decimal("0.01")
    print(desk.reports())
    [position] = desk.venue.positions()
    print(position, desk.venue.wallet(), desk.account.wallet)
    _, stop = desk.stop()
    print(stop, desk.venue.open_orders())
    print([f"{c.method} {c.path} {c.weight}" for c in desk.fake.log.calls])
    assert 0
