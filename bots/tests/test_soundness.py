from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.policy import PRESETS
from bots.domain.soundness import RANGES, objections

BALANCED = PRESETS["balanced"]


@pytest.mark.requirement("RSK-08")
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_sense(name):
    assert objections(PRESETS[name]) == {}


def test_every_limit_has_a_range():
    assert set(RANGES) == set(BALANCED.__slots__) - {"name", "version"}


@pytest.mark.requirement("RSK-08")
@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("risk_per_trade", "0", "above 0 and at most 0.1 of equity"),
        ("risk_per_trade", "0.11", "above 0 and at most 0.1 of equity"),
        ("risk_per_trade", "NaN", "above 0"),
        ("max_exposure", "Infinity", "at most 20"),
        ("max_positions", "0", "at least 1"),
        ("max_leverage", "51", "at most 50"),
        ("max_margin_use", "1.01", "at most 1 of equity"),
        ("min_confidence", "1.1", "at most 1"),
        ("min_stop_distance", "0", "above 0"),
        ("max_stop_distance", "0.6", "at most 0.5 of the price"),
        ("min_notional", "0", "above 0"),
        ("max_slippage", "-0.001", "at least 0"),
        ("max_data_age_seconds", "0", "at least 1"),
        ("max_side_exposure", "0", "above 0"),
        ("price_band", "0.6", "at most 0.5 of the price"),
        ("max_spread", "0", "above 0"),
        ("max_depth_share", "101", "at most 100"),
        ("max_funding", "-0.1", "at least 0"),
        ("liquidation_buffer", "2.1", "at most 2"),
        ("max_volatility", "0", "above 0"),
        ("lock_minutes", "0", "at least 1"),
        ("max_daily_loss", "1.1", "at most 1 of equity"),
    ],
)
def test_a_limit_out_of_range_gets_one_sentence(name, value, word):
    found = objections(replace(BALANCED, **{name: Decimal(value)}))

    assert word in found[name]


@pytest.mark.parametrize(
    ("changes", "name", "word"),
    [
        ({"min_stop_distance": "0.05", "max_stop_distance": "0.04"}, "max_stop_distance", "below the smallest"),
        ({"max_position_notional": "1.6"}, "max_position_notional", "exceed the limit of all together"),
        ({"max_side_exposure": "0.4"}, "max_side_exposure", "exceed the limit of its side"),
        (
            {"max_position_notional": "1.9", "max_side_exposure": "2", "max_exposure": "2"},
            "max_position_notional",
            "no position can be larger",
        ),
    ],
)
def test_limits_that_contradict_each_other_get_one_sentence(changes, name, word):
    found = objections(replace(BALANCED, **{key: Decimal(value) for key, value in changes.items()}))

    assert list(found) == [name]
    assert word in found[name]


@given(st.sampled_from(sorted(RANGES)), st.decimals(allow_nan=True, allow_infinity=True))
def test_no_number_breaks_the_judgement(name, value):
    assert all(text.endswith(".") for text in objections(replace(BALANCED, **{name: value})).values())
