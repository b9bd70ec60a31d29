"""Exit plans: typed conditions on closed candles, read from dicts, told in words."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.exit_plan import (
    CloseAbove,
    CloseBelow,
    ExitPlan,
    IndicatorAbove,
    IndicatorBelow,
    describe,
    describe_plan,
    holds,
    parse_invalidation,
    trailed,
)
from bots.domain.untrusted import Unfit
from bots.tests.builders import NOW, candles, d, rules, view, walk

CONDITIONS = (
    CloseBelow("1m", d(99)),
    CloseAbove("15m", d("101.5")),
    IndicatorBelow("5m", "rsi_14", d(30)),
    IndicatorAbove("1h", "macd_histogram", d("-0.25")),
)


@pytest.mark.requirement("BOT-13")
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_survives_the_way_through_json(condition):
    assert parse_invalidation(condition.as_json()) == condition


@pytest.mark.requirement("BOT-13")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (CloseBelow("1m", d("99.5")), True),
        (CloseBelow("1m", d(99)), False),
        (CloseAbove("1m", d("98.5")), True),
        (CloseAbove("1m", d(99)), False),
    ],
)
def test_a_close_must_be_beyond_the_level_and_not_at_it(condition, expected):
    assert holds(condition, view(series={"1m": [101, 100, 99]})) is expected


def test_only_the_last_closed_candle_counts():
    low_before = view(series={"1m": [90, 100]})
    running = view(series={"1m": candles([100, 90], "1m", now=NOW + timedelta(minutes=1))})

    assert not holds(CloseBelow("1m", d(95)), low_before)
    assert not holds(CloseBelow("1m", d(95)), running)


def test_indicators_are_compared_at_the_last_closed_candle():
    falling = view(series={"1m": np.linspace(200, 100, 300)})

    assert holds(IndicatorBelow("1m", "rsi_14", d(30)), falling)
    assert not holds(IndicatorAbove("1m", "rsi_14", d(30)), falling)


@pytest.mark.parametrize("series", [{}, {"1m": []}, {"1m": walk(20)}])
def test_what_is_not_known_does_not_hold(series):
    blank = view(series=series)

    assert not holds(IndicatorBelow("1m", "ema_50", d(10**6)), blank)
    assert not holds(IndicatorAbove("1m", "ema_50", d(-(10**6))), blank)
    if not len(series.get("1m", ())):
        assert not holds(CloseBelow("1m", d(10**6)), blank)
        assert not holds(CloseAbove("1m", d("0.1")), blank)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("it falls", "invalidation must be an object with a kind, not 'it falls'."),
        ({}, "invalidation.kind must be one of close_below, close_above, indicator_below, indicator_above, not null."),
        ({"kind": "close_near"}, "not 'close_near'."),
        ({"kind": ["close_below"]}, "not a list."),
        ({"kind": "close_below", "timeframe": "7m"}, "invalidation.timeframe must be one of 1m, not '7m'."),
        ({"kind": "close_below", "timeframe": "1m"}, "invalidation.price must be a number, not null."),
        ({"kind": "close_below", "timeframe": "1m", "price": -1}, "invalidation.price must be a price above 0, not -1"),
        ({"kind": "indicator_below", "timeframe": "1m", "indicator": "luck"}, "not 'luck'."),
        (
            {"kind": "indicator_below", "timeframe": "1m", "indicator": "rsi_14", "value": "low"},
            "invalidation.value must be a number, not 'low'.",
        ),
    ],
)
def test_a_condition_that_cannot_be_checked_is_refused_in_words(raw, text):
    with pytest.raises(Unfit) as refused:
        parse_invalidation(raw, ("1m",))

    assert text in refused.value.refusal.text


def test_conditions_in_words():
    assert [describe(condition) for condition in CONDITIONS] == [
        "the 1m candle closes below 99",
        "the 15m candle closes above 101.5",
        "rsi_14 of 5m is below 30",
        "macd_histogram of 1h is above -0.25",
    ]


def test_a_plan_in_words():
    plan = ExitPlan(d(95), d("110.0"), d("0.02"), NOW, CONDITIONS[0])

    assert describe_plan(plan) == (
        "stop 95, target 110, trailing by 2 %, until 2026-03-02 12:00 UTC, out when the 1m candle closes below 99"
    )
    assert describe_plan(ExitPlan()) == "no exit planned"


@pytest.mark.requirement("EXE-04")
@given(
    stop=st.integers(500, 1500), marks=st.lists(st.integers(500, 2000), max_size=20),
    trail=st.integers(1, 500), long=st.booleans(),
)  # fmt: skip
def test_a_trailing_stop_only_ever_tightens(stop, marks, trail, long):
    now, share, found = Decimal(stop) / 10, Decimal(trail) / 1000, rules()
    for mark in marks:
        moved = trailed(now, Decimal(mark) / 10, share, long, found)
        assert moved >= now if long else moved <= now
        assert moved % found.tick == 0
        now = moved
