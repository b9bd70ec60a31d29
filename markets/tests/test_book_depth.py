from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain.book_depth import MAX_IMPACT, UNKNOWN_LIQUIDITY, impact, taker_price, walk
from markets.domain.orders import Side

from .trading import RULES, d

BOOK = ((d("100"), d("2")), (d("101"), d("3")), (d("103"), d("10")))


def test_a_market_order_takes_the_best_levels_first():
    assert walk(BOOK, d("4")) == (d("4"), d("402"))


def test_a_small_order_stays_on_the_first_level():
    assert walk(BOOK, d("2")) == (d("2"), d("200"))


def test_a_book_that_ends_fills_in_part():
    assert walk(BOOK, d("100")) == (d("15"), d("1533"))


def test_an_empty_book_fills_nothing():
    assert walk((), d("1")) == (0, 0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10_000), st.integers(1, 1000)), max_size=8),
    st.decimals("0.001", "5000", places=3),
)
def test_a_walk_never_takes_more_than_asked_or_offered(levels, quantity):
    book = [(d(price), d(offered)) for price, offered in sorted(levels)]
    filled, value = walk(book, quantity)
    assert filled == min(quantity, sum((offered for _, offered in book), Decimal(0)))
    if filled:
        assert book[0][0] <= value / filled <= book[-1][0]


def test_impact_grows_with_the_square_root_of_the_share():
    assert impact(d("100"), d("10000"), d("0.01")) == d("0.001")
    assert impact(d("400"), d("10000"), d("0.01")) == d("0.002")


def test_impact_is_capped():
    assert impact(d("1e12"), d("1"), d("0.01")) == MAX_IMPACT
    assert impact(d("25"), d("1"), d("0.01")) == MAX_IMPACT
    assert impact(d("24"), d("1"), d("0.01")) < MAX_IMPACT


@pytest.mark.parametrize("liquidity", ["0", "-1"])
def test_unknown_liquidity_counts_as_little(liquidity):
    assert impact(d("100"), d(liquidity), d("0.01")) == impact(d("100"), UNKNOWN_LIQUIDITY, d("0.01")) == d("0.001")


def test_spread_and_impact_go_against_the_taker():
    rules = replace(RULES, half_spread=d("0.001"), impact=d("0.01"))
    # 100 of 10,000 is one hundredth, its root a tenth: 0.1 % of impact on top of 0.1 % of half spread.
    assert taker_price(d("100"), Side.BUY, d("1"), d("10000"), rules) == d("100.2")
    assert taker_price(d("100"), Side.SELL, d("1"), d("10000"), rules) == d("99.8")


def test_the_bid_or_ask_has_its_spread_already():
    rules = replace(RULES, half_spread=d("0.001"), impact=d(0))
    assert taker_price(d("100"), Side.BUY, d("1"), d("10000"), rules, half_spread=d(0)) == d("100")


def test_a_sale_is_never_below_one_tick():
    assert taker_price(d("0.1"), Side.SELL, d("1000"), d("1"), RULES) == RULES.tick


@settings(deadline=None)
@given(
    st.decimals("0.1", "100000", places=1),
    st.decimals("0.001", "1000", places=3),
    st.decimals("0", "1000000", places=2),
)
def test_a_taker_price_is_at_the_tick_and_never_better_than_the_reference(reference, quantity, liquidity):
    bought = taker_price(reference, Side.BUY, quantity, liquidity, RULES)
    sold = taker_price(reference, Side.SELL, quantity, liquidity, RULES)
    assert bought % RULES.tick == sold % RULES.tick == 0
    assert 0 < sold <= reference <= bought
    assert bought <= RULES.price_up(reference * (1 + MAX_IMPACT + RULES.half_spread))
