from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from markets.domain.instruments import MarginTier
from markets.domain.margin import bankruptcy_price, initial_margin, liquidation_price, maintenance_margin, tier_of
from markets.domain.rounding import CASH_UNIT

from .trading import TIERS, d


def test_initial_margin_is_notional_over_leverage_rounded_up():
    assert initial_margin(d("1000"), 10) == d("100")
    assert initial_margin(d("100"), 3) == d("33.33333334")


@pytest.mark.parametrize(
    ("notional", "maintenance"),
    [("1000", "4"), ("49999", "199.996"), ("50000", "200"), ("100000", "450"), ("250000", "1200"), ("0", "0")],
)
def test_maintenance_margin_follows_its_tier(notional, maintenance):
    assert maintenance_margin(d(notional), TIERS) == d(maintenance)


def test_without_tiers_nothing_has_to_be_maintained():
    assert maintenance_margin(d("1000"), ()) == 0
    assert liquidation_price(d("1"), d("100"), d("10"), ()) == d("90")


def test_a_tier_begins_at_its_floor():
    assert tier_of(d("49999.99"), TIERS) is TIERS[0]
    assert tier_of(d("50000"), TIERS) is TIERS[1]


def test_liquidation_of_a_long():
    # (10 + 0 - 100) / (0.004 - 1)
    price = liquidation_price(d("1"), d("100"), d("10"), TIERS)
    assert round(price, 6) == d("90.361446")


def test_liquidation_of_a_short():
    # (10 + 0 + 100) / (0.004 + 1)
    price = liquidation_price(d("-1"), d("100"), d("10"), TIERS)
    assert round(price, 6) == d("109.561753")


def test_the_tier_is_the_one_that_holds_at_the_liquidation_price():
    # Worth 51,000 at the entry (second tier) and less than 50,000 when it is liquidated (first tier).
    long = liquidation_price(d("1"), d("51000"), d("5100"), TIERS)
    assert long == (d("5100") - d("51000")) / (d("0.004") - 1)
    # Worth 49,000 at the entry and more than 50,000 when it is liquidated.
    short = liquidation_price(d("-1"), d("49000"), d("4900"), TIERS)
    assert short == (d("4900") + 50 + d("49000")) / (d("0.005") + 1)


def test_a_long_that_put_up_everything_is_never_liquidated():
    assert liquidation_price(d("1"), d("100"), d("100"), TIERS) is None
    assert liquidation_price(d("1"), d("100"), d("150"), TIERS) is None


def test_a_table_that_jumps_still_gives_a_price():
    jumping = (MarginTier(d(0), d("0.01"), d(0), 50), MarginTier(d(1000), d("0.5"), d(0), 2))
    price = liquidation_price(d("-10"), d("999"), d("200"), jumping)
    assert price is not None
    assert price > d("99.9")


def test_bankruptcy_is_entry_less_the_margin():
    assert bankruptcy_price(d("1"), d("100"), d("10")) == d("90")
    assert bankruptcy_price(d("-1"), d("100"), d("10")) == d("110")


def test_bankruptcy_with_the_closing_fee_comes_earlier():
    assert bankruptcy_price(d("1"), d("100"), d("10"), d("0.0005")) > d("90")
    assert bankruptcy_price(d("-1"), d("100"), d("10"), d("0.0005")) < d("110")


sizes = st.decimals("0.001", "50", places=3)
prices = st.decimals("1", "90000", places=1)


@settings(deadline=None)
@given(sizes, prices, st.integers(1, 20), st.sampled_from([1, -1]))
def test_at_the_liquidation_price_equity_is_the_maintenance_margin(size, entry, leverage, side):
    cost = size * entry
    assume(leverage <= tier_of(cost, TIERS).max_leverage)
    margin = initial_margin(cost, leverage)
    price = liquidation_price(side * size, cost, margin, TIERS)
    if price is None:
        assert side == 1
        assert leverage == 1
        return
    equity = margin + side * (size * price - cost)
    kept = maintenance_margin(size * price, TIERS)
    assert abs(equity - kept) <= 2 * CASH_UNIT
    assert price < entry if side == 1 else price > entry


@settings(deadline=None)
@given(sizes, prices, st.integers(2, 20), st.sampled_from([1, -1]))
def test_liquidation_comes_before_bankruptcy(size, entry, leverage, side):
    cost = size * entry
    margin = initial_margin(cost, leverage)
    liquidated = liquidation_price(side * size, cost, margin, TIERS)
    bankrupt = bankruptcy_price(side * size, cost, margin)
    assert liquidated is not None
    assert liquidated >= bankrupt if side == 1 else liquidated <= bankrupt


@settings(deadline=None)
@given(sizes, prices, st.integers(1, 20), st.sampled_from([1, -1]), st.sampled_from([Decimal(0), Decimal("0.0005")]))
def test_at_the_bankruptcy_price_the_margin_is_gone(size, entry, leverage, side, fee):
    cost = size * entry
    margin = initial_margin(cost, leverage)
    price = bankruptcy_price(side * size, cost, margin, fee)
    loss = side * (cost - size * price) + size * price * fee
    assert abs(loss - margin) <= CASH_UNIT
