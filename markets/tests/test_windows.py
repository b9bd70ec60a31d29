from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain import windows
from markets.domain.candles import TIMEFRAMES, instant, milliseconds
from markets.domain.indicators import INDICATORS, LONGEST_WARMUP

from . import samples

LONG = samples.candles(3000, "5m")


@given(st.integers(0, 10**9), st.sampled_from(sorted(TIMEFRAMES)))
def test_a_window_ends_with_the_last_closed_candle_and_is_long_enough(seconds, timeframe):
    now, step = samples.BEGIN + timedelta(seconds=seconds), TIMEFRAMES[timeframe]

    first, last = windows.bounds(timeframe, now)

    assert first % step == last % step == 0
    assert last + step <= milliseconds(now) < last + 2 * step
    count = (last - first) // step + 1
    assert LONGEST_WARMUP <= windows.WARM <= count <= windows.LONGEST


def test_the_anchor_stands_still_for_a_whole_block():
    step = timedelta(minutes=5)
    block = windows.BLOCK * step
    start = instant(milliseconds(samples.BEGIN + block) // milliseconds_of(block) * milliseconds_of(block))

    anchors = {windows.bounds("5m", start + i * step)[0] for i in range(windows.BLOCK)}

    assert len(anchors) == 1
    assert windows.bounds("5m", start + block)[0] not in anchors


def milliseconds_of(span):
    return span // timedelta(milliseconds=1)


@pytest.mark.requirement("MKT-07")
@given(st.integers(600, 2900), st.sampled_from(sorted(INDICATORS)), st.integers(0, 299_999))
def test_values_of_an_instant_do_not_depend_on_how_much_else_is_loaded(row, name, inside):
    now = instant(int(LONG.time[row])) + timedelta(milliseconds=inside)

    among_all = windows.series(LONG, "5m", now)
    alone = windows.series(LONG[row - windows.LONGEST : row], "5m", now)

    assert among_all.candles.time[-1] == LONG.time[row - 1]
    np.testing.assert_array_equal(among_all.indicator(name), alone.indicator(name))
    assert not np.isnan(among_all.indicator(name)[-1])


def test_a_hole_shortens_the_series_to_what_came_after_it():
    now = instant(int(LONG.time[1000]))

    series = windows.series(samples.without(LONG, 990), "5m", now)

    assert list(series.candles.time) == list(LONG.time[991:1000])
