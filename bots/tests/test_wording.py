from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.wording import exact, percent, ratio
from markets.domain.rounding import nearest_to, plain

numbers = st.decimals(-(10**9), 10**9, allow_nan=False) | st.decimals(-1, 1, places=6)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.015", "1.5 %"),
        ("0.1", "10 %"),
        ("0", "0 %"),
        ("-0.00", "0 %"),
        ("0.00001234", "0.0012 %"),
        ("1E+1", "1000 %"),
    ],
)
def test_a_percentage(value, said):
    assert percent(D(value)) == said


@given(numbers)
def test_numbers_are_rounded_half_to_even_and_lose_no_digit_otherwise(value):
    assert exact(value) == f"{plain(value):f}"
    assert ratio(value) == f"{plain(nearest_to(value, D('0.01'))):f}"
