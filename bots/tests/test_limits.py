from dataclasses import replace
from decimal import Decimal as D

import pytest

from bots.domain.policy import PRESETS
from bots.limits import uses
from ledger.domain.portfolio import HeldPosition, PendingEntry, Portfolio

HELD = HeldPosition(
    id=1, symbol="BTC", long=True, quantity=D("0.1"), cost=D(4900), mark=D(50000), margin=D(1600), leverage=3
)
BOOK = Portfolio(book=1, currency="USDT", cash=D(9900), deposited=D(10000), positions=(HELD,))
POLICY = PRESETS["balanced"]


def named(portfolio, policy=POLICY):
    return {use.name: use for use in uses(portfolio, policy)}


@pytest.mark.requirement("UI-02")
def test_every_limit_with_what_is_used():
    bars = named(BOOK)
    assert (bars["Exposure"].used, bars["Exposure"].cap) == (D("0.5"), D("1.5"))
    assert (bars["Largest position"].used, bars["Largest position"].cap) == (D("0.5"), D("0.5"))
    assert bars["Margin"].used == D("0.16")
    assert (bars["Positions"].used, bars["Positions"].cap) == (1, 4)
    assert (bars["Leverage"].used, bars["Leverage"].cap) == (3, 3)


def test_waiting_entries_count():
    waiting = replace(BOOK, pending=(PendingEntry("ETH", True, D(1), D(3000), D(1000)),))
    bars = named(waiting)
    assert bars["Exposure"].used == D("0.8")
    assert bars["Margin"].used == D("0.26")
    assert bars["Positions"].used == 2


def test_near_and_over():
    assert named(BOOK)["Largest position"].near
    assert not named(BOOK)["Leverage"].near
    tight = replace(POLICY, max_exposure=D("0.4"))
    assert named(BOOK, tight)["Exposure"].over
    assert named(BOOK, tight)["Exposure"].scale == D("0.5")


def test_an_empty_book_uses_nothing():
    empty = Portfolio(book=1, currency="USDT", cash=D(0), deposited=D(0))
    assert all(use.used == 0 for use in uses(empty, POLICY))
