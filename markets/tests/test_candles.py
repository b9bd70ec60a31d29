from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain.candles import (
    TIMEFRAMES,
    Candles,
    bad_rows,
    gaps,
    instant,
    milliseconds,
    resample,
    unbroken_tail,
)

from . import samples

MINUTE = TIMEFRAMES["1m"]


def test_good_candles_have_no_bad_row():
    assert bad_rows(samples.candles(500), MINUTE) == []


@given(st.integers(0, 100 * 365 * 86_400_000_000))
def test_times_survive_the_way_to_milliseconds_and_back(microseconds):
    at = samples.BEGIN + timedelta(microseconds=microseconds)
    whole = at - timedelta(microseconds=at.microsecond % 1000)

    assert instant(milliseconds(at)) == whole
    assert milliseconds(whole) == milliseconds(at)


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("open", np.nan, "not a finite number"),
        ("close", np.inf, "not a finite number"),
        ("low", 0.0, "not above zero"),
        ("open", -5.0, "not above zero"),
        ("high", 1.0, "do not enclose"),
        ("low", 1e6, "do not enclose"),
        ("volume", -1.0, "volume"),
        ("volume", np.nan, "volume"),
        ("volume", np.inf, "volume"),
        ("time", 30_000, "not on the grid"),
    ],
)
def test_each_kind_of_bad_row_is_named(column, value, problem):
    part = samples.candles(10)
    getattr(part, column)[4] = getattr(part, column)[4] + value if column == "time" else value

    [bad] = [row for row in bad_rows(part, MINUTE) if row.row == 4]

    assert problem in bad.problem


@pytest.mark.requirement("MKT-05")
@given(st.integers(1, 19), st.sampled_from(["repeat", "swap"]))
def test_times_that_do_not_run_forward_are_bad(row, how):
    part = samples.candles(20)
    if how == "repeat":
        part.time[row] = part.time[row - 1]
    else:
        part.time[[row - 1, row]] = part.time[[row, row - 1]]

    assert row in [bad.row for bad in bad_rows(part, MINUTE)]


def test_no_candles_are_no_trouble():
    empty = Candles.of([])

    assert bad_rows(empty, MINUTE) == []
    assert gaps(empty, MINUTE) == 0
    assert len(unbroken_tail(empty, MINUTE)) == 0
    assert len(resample(empty, MINUTE, 5 * MINUTE)) == 0


def test_gaps_are_the_missing_candles_inside():
    assert gaps(samples.without(samples.candles(20), 3, 4, 11), MINUTE) == 3


@given(st.sets(st.integers(0, 39)))
def test_the_unbroken_tail_has_no_hole_and_ends_with_the_newest(holes):
    part = samples.without(samples.candles(40), *holes)

    tail = unbroken_tail(part, MINUTE)

    assert (np.diff(tail.time) == MINUTE).all()
    assert len(part) == 0 or tail.time[-1] == part.time[-1]
    missing = [row for row in range(39) if row in holes and any(r not in holes for r in range(row, 40))]
    assert len(tail) == len(part) - len([r for r in range(max(missing, default=-1)) if r not in holes])


@pytest.mark.requirement("MKT-04")
@given(st.integers(1, 400), st.sets(st.integers(0, 399), max_size=20), st.sampled_from(["5m", "15m", "1h"]))
def test_resampled_candles_hold_exactly_their_finer_ones(count, holes, timeframe):
    part = samples.without(samples.candles(count, seed=count), *holes)
    length = TIMEFRAMES[timeframe]

    coarse = resample(part, MINUTE, length)

    for i in range(len(coarse)):
        inside = part[(part.time >= coarse.time[i]) & (part.time < coarse.time[i] + length)]
        assert len(inside) == length // MINUTE
        assert coarse.open[i] == inside.open[0]
        assert coarse.close[i] == inside.close[-1]
        assert coarse.high[i] == inside.high.max()
        assert coarse.low[i] == inside.low.min()
        assert coarse.volume[i] == pytest.approx(inside.volume.sum())
    whole = {t for t in part.time // length * length if ((part.time // length * length) == t).sum() == length // MINUTE}
    assert set(coarse.time) == whole


@given(st.integers(0, 300))
def test_resampling_a_part_gives_the_same_candles_as_resampling_all(start):
    part = samples.candles(600)
    alone = resample(part[start:], MINUTE, 15 * MINUTE)
    among = resample(part, MINUTE, 15 * MINUTE)

    for one, other in zip(alone.columns(), among[among.time >= part.time[start]].columns(), strict=True):
        assert (one == other).all()


def test_a_timeframe_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiple"):
        resample(samples.candles(10, "3m"), 3 * MINUTE, 5 * MINUTE)
