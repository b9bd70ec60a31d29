"""Sizes: what a risk budget pays for, and not one step more."""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bots.domain.risk import Prices, held_loss, prices, unit_loss
from bots.domain.sizing import fit, quantity, reduction, risk_budget, stop_at, stop_snapped, target_at, target_snapped
from bots.tests.builders import d, held, rules, view


@pytest.mark.requirement("RSK-02")
def test_quantity_by_hand():
    # Long from 100 to a stop of 98 that slips 1 %: out at 97.02. Loss 2.98 and fees 0.05 % of 197.02 = 0.09851.
    found = quantity(budget=d(100), price=d(100), stop=d(98), long=True, rules=rules(), slippage=d("0.01"))

    assert found == d("32.483")  # 100 / 3.07851 = 32.4832, cut to the step


def test_quantity_of_a_short_by_hand():
    # Short from 100 to 102 that slips 1 %: out at 103.02. Loss 3.02 and fees 0.05 % of 203.02 = 0.10151.
    found = quantity(budget=d(100), price=d(100), stop=d(102), long=False, rules=rules(), slippage=d("0.01"))

    assert found == d("32.035")  # 100 / 3.12151 = 32.0358


@pytest.mark.parametrize(("stop", "long"), [(100, True), (101, True), (100, False), (99, False)])
def test_a_stop_on_the_wrong_side_buys_nothing(stop, long):
    assert quantity(budget=d(100), price=d(100), stop=d(stop), long=long, rules=rules(), slippage=d(0)) == 0


def test_the_budget_is_a_share_of_equity_and_never_negative():
    assert risk_budget(d(10_000), d("0.01"), d("0.5")) == 50
    assert risk_budget(d(-10), d("0.01"), d(1)) == 0


prices_ = st.integers(10, 100_000).map(lambda n: Decimal(n) / 10)


@pytest.mark.requirement("RSK-02")
@given(
    budget=st.integers(1, 10**7).map(lambda n: Decimal(n) / 100), price=prices_, stop=prices_, long=st.booleans(),
    slippage=st.integers(0, 50).map(lambda n: Decimal(n) / 1000),
)  # fmt: skip
def test_the_loss_at_the_stop_never_exceeds_the_budget_and_one_step_more_would(budget, price, stop, long, slippage):
    assume(stop < price if long else stop > price)
    found = rules()
    size = quantity(budget=budget, price=price, stop=stop, long=long, rules=found, slippage=slippage)
    each = unit_loss(price, stop, long, slippage, found.taker_fee)

    assert size % found.step == 0
    assert size * each <= budget
    assert (size + found.step) * each > budget - Decimal("0.00000002")


def test_nothing_fits_into_no_room():
    assert fit(d(0), d(1), rules()) == 0
    assert fit(d(-5), d(1), rules()) == 0


def test_stops_and_targets_round_to_the_careful_side():
    found = rules()

    assert (stop_at(d(100), d("1.23"), True, found), stop_at(d(100), d("1.23"), False, found)) == (
        d("98.8"),
        d("101.2"),
    )
    assert (target_at(d(100), d("1.23"), True, found), target_at(d(100), d("1.23"), False, found)) == (
        d("101.3"),
        d("98.7"),
    )
    assert (stop_snapped(d("98.77"), True, found), stop_snapped(d("101.23"), False, found)) == (d("98.8"), d("101.2"))
    assert (target_snapped(d("101.27"), True, found), target_snapped(d("98.73"), False, found)) == (
        d("101.2"),
        d("98.8"),
    )


def test_a_reduction_is_cut_to_the_step():
    assert reduction(d("1.005"), d("0.5"), rules()) == d("0.502")


def test_a_held_position_is_counted_from_the_worse_of_entry_and_mark():
    stop, none = d(90), d(0)

    assert held_loss(held(entry=100, mark=95), stop, none, none) == 10
    assert held_loss(held(entry=100, mark=120), stop, none, none) == 30
    assert held_loss(held(long=False, entry=100, mark=105), d(110), none, none) == 10
    assert held_loss(held(long=False, entry=100, mark=80), d(110), none, none) == 30
    assert held_loss(held(entry=100, mark=100, fees=2), stop, none, d("0.01")) == d("12.9")


def test_entries_are_judged_at_the_side_that_hurts():
    market = view(100)

    buy, sell = prices(market, True, d("0.01")), prices(market, False, d("0.01"))
    assert (market.quote.bid, market.quote.ask) == (d("99.9"), d("100.1"))
    assert (buy.judged, buy.low, buy.high, buy.value) == (d("101.2"), d("99.9"), d("101.2"), d("101.2"))
    assert (sell.judged, sell.low, sell.high, sell.value) == (d("98.9"), d("98.9"), d("100.1"), d("101.2"))


def test_a_resting_limit_is_judged_at_its_price_and_a_taking_one_as_a_market_order():
    market = view(100)

    assert prices(market, True, d("0.01"), d(95)) == Prices(d(95), d(95), d(95), d(100))
    assert prices(market, False, d("0.01"), d(105)) == Prices(d(105), d(105), d(105), d(105))
    taking = prices(market, True, d("0.01"), d(103))
    assert (taking.judged, taking.low, taking.value) == (d(103), d("99.9"), d(103))
