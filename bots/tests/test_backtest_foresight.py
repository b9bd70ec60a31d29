"""The slots at which a decider is asked: those that were foreseen, and all at which a candle is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.backtests.foresight import Moments
from bots.backtests.market import Listed, Market
from bots.domain.foresight import Foresight
from bots.domain.policy import PRESETS
from bots.tests.builders import rules
from markets.domain.candles import MINUTE, TIMEFRAMES, Candles

START = 1_704_067_200_000
COUNT = 120


@dataclass(frozen=True)
class Telling:
    """Foresees what it was given."""

    timeframe: str
    masks: tuple[Any, Any, Any]

    def decide(self, briefing):
        raise AssertionError("Nobody asks it.")

    def foresee(self, past, timeframes, policy):
        return {symbol: Foresight(self.timeframe, *self.masks) for symbol in past}


def candles(timeframe, missing=()):
    length = TIMEFRAMES[timeframe]
    rows = [(START + n * length, 10.0, 10.0, 10.0, 10.0, 1.0) for n in range(-3, COUNT) if n not in missing]
    return Candles.of(rows)


def moments(timeframe, series, masks, interval):
    base = candles("1m")
    market = Market("1m", START, START + COUNT * MINUTE, [Listed(rules(), base, {timeframe: series})])
    found = Moments(market, interval, Telling(timeframe, masks), (timeframe,), PRESETS["balanced"])
    return market, found


def plainly(market, timeframe, series, mask, interval):
    """Slot by slot: where the candle that should have closed last is not there, and where it was foreseen."""
    length, times, found = TIMEFRAMES[timeframe], series.time.tolist(), []
    step = max(interval, market.step)
    for time in range(0, market.instants * market.step, step):
        number = -(-time // market.step)
        due = (market.time(number) // length - 1) * length
        if due not in times or mask[times.index(due)]:
            found.append(number)
    return [number for number in found if number < market.instants]


@pytest.mark.parametrize("timeframe", ["1m", "5m"])
@pytest.mark.parametrize("interval", [MINUTE // 2, MINUTE, 3 * MINUTE, 5 * MINUTE, 5 * MINUTE // 2, 7 * MINUTE])
@given(missing=st.sets(st.integers(-3, COUNT - 1), max_size=6), seed=st.integers(0, 5))
def test_it_asks_where_it_was_foreseen_and_where_a_candle_is_missing(timeframe, interval, missing, seed):
    series, lots = candles(timeframe, missing), np.random.default_rng(seed)
    masks = tuple(lots.random(len(series)) < 0.2 for _ in range(3))
    market, found = moments(timeframe, series, masks, interval)

    for side, mask in enumerate(masks):
        wanted = plainly(market, timeframe, series, mask, interval)
        sides = dict.fromkeys(market.courses, side)
        asked = [n for n in range(market.instants) if found.due(n) and found.asks(n, sides)]
        assert asked == wanted
        assert [found.following(n - 1, sides, market.instants) for n in wanted] == wanted


@pytest.mark.parametrize("interval", [MINUTE, 3 * MINUTE, 5 * MINUTE // 2, 7 * MINUTE])
def test_slots_between_two_instants_are_those_that_are_due(interval):
    none = np.zeros(COUNT + 3, bool)
    market, found = moments("1m", candles("1m"), (none, none, none), interval)
    due = [number for number in range(market.instants) if found.due(number)]

    for first, last in ((0, 1), (0, COUNT), (7, 8), (8, 8), (11, 63)):
        assert found.between(first, last).tolist() == [number for number in due if first <= number < last]


def test_an_instrument_without_candles_is_asked_at_every_slot():
    empty, none = Candles.of([]), np.zeros(0, bool)
    market, found = moments("1m", empty, (none, none, none), MINUTE)

    assert all(found.asks(number, dict.fromkeys(market.courses, 0)) for number in range(COUNT))


def test_without_foresight_every_slot_is_asked():
    market = Market("1m", START, START + COUNT * MINUTE, [Listed(rules(), candles("1m"), {"1m": candles("1m")})])
    found = Moments(market, 3 * MINUTE, None, ("1m",), PRESETS["balanced"])

    assert found.following(0, dict.fromkeys(market.courses, 0), COUNT) == 3
    assert found.following(118, dict.fromkeys(market.courses, 0), COUNT) == COUNT
