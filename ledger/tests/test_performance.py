from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.performance import Drawdown, max_drawdown, profit_factor, rate_of_return, win_rate

values = st.lists(st.decimals("0.01", 100_000, places=2), min_size=1, max_size=60)


def test_return_is_over_what_was_deposited():
    assert rate_of_return(D(10500), D(10000)) == D("0.05")


def test_return_without_a_base_is_unknown():
    assert rate_of_return(D(500), D(0)) is None
    assert rate_of_return(D(500), D(-10)) is None


@pytest.mark.requirement("LED-05")
def test_drawdown_is_the_deepest_fall_from_a_peak():
    assert max_drawdown([D(100), D(120), D(90), D(130), D(117)]) == D("0.25")


def test_drawdown_of_nothing_and_of_a_rise_is_zero():
    assert max_drawdown([]) == 0
    assert max_drawdown([D(1), D(2), D(3)]) == 0


@given(values, st.integers(0, 60))
def test_a_walk_in_parts_is_the_walk_at_once(rows, cut):
    assert Drawdown().along(rows[:cut]).along(rows[cut:]) == Drawdown().along(rows)


@given(values)
def test_drawdown_is_the_worst_of_all_pairs(rows):
    falls = [(a - b) / a for i, a in enumerate(rows) for b in rows[i:]]
    assert max_drawdown(rows) == max(0, *falls)


def test_win_rate_counts_gains_only():
    assert win_rate([D(5), D(-3), D(0), D(1)]) == D("0.5")
    assert win_rate([]) is None


def test_profit_factor_is_gains_over_losses():
    assert profit_factor([D(30), D(-10), D(-5)]) == 2
    assert profit_factor([D(30)]) is None
