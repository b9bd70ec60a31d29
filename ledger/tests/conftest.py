"""A live account at a fake exchange. Tests that leave more behind than faults have a desk of their own."""

import pytest

from ledger.tests.fake_desk import FakeDesk
from markets.tests.fake_exchange import FakeExchange


@pytest.fixture(scope="module")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def desk(served, settings, monkeypatch):
    yield FakeDesk.connect(served, settings, monkeypatch)
    served.faults.clear()
