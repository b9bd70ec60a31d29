"""The fake exchange of the tests of live trading: served once, and clean for each test."""

import pytest

from markets.exchanges import live_clients

from .fake_exchange import FakeExchange, binanceusdm_private
from .live_desk import LiveDesk


@pytest.fixture(scope="session")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def desk(served, settings):
    """A live account with 10,000 USDT; one BTC costs 50,000."""
    served.faults.clear()
    served.log.clear()
    binanceusdm_private.close_accounts(served.world)
    live_clients.forget()
    served.limits.used = served.limits.refused = served.limits.banned_until = 0
    yield LiveDesk.open(served, settings)
    served.world.maintenance = False
    served.world.freeze(False)
