from decimal import Decimal as D

import pytest

from bots.domain.levels import atr_away, percent_away, swing_stop
from bots.domain.sizing import stop_at, target_at
from bots.tests.builders import candles, rules, view

pytestmark = pytest.mark.requirement("RSK-02")


def seen(closes, noise=0.0, **fields):
    return view(closes[-1], series={"5m": candles(closes, "5m", noise=noise)}, **fields)


def test_so_many_average_ranges_away():
    steady = seen([100.0, 101.0] * 60)
    away = atr_away(steady, "5m", D("2.5"))
    assert away == pytest.approx(D("2.5"), abs=D("0.01"))
    assert stop_at(D(100), away, True, rules()) == D("97.5")
    assert stop_at(D(100), away, False, rules()) == D("102.5")


def test_there_is_no_range_before_the_warm_up():
    assert atr_away(seen([100.0] * 5), "5m", D(2)) is None


def test_a_share_of_the_price_away():
    assert percent_away(D("25.5"), D("0.02")) == D("0.51")
    assert target_at(D(100), percent_away(D(100), D("0.02")), True, rules()) == D(102)


def test_beyond_the_last_swing():
    swung = seen([100.0, 90.0, 95.04, 93.0, 104.0, 99.0])
    assert swing_stop(swung, "5m", 5, True) == D(90)
    assert swing_stop(swung, "5m", 3, True) == D(93)
    assert swing_stop(swung, "5m", 3, False) == D(104)


def test_the_room_beyond_a_swing_goes_away_from_it_and_is_rounded_toward_the_price():
    swung = seen([100.0, 93.0, 104.0, 99.0])
    assert swing_stop(swung, "5m", 4, True, D("0.01")) == D("92.1")  # 92.07, at the tick above
    assert swing_stop(swung, "5m", 4, False, D("0.01")) == D("105.0")  # 105.04, at the tick below


def test_without_candles_there_is_no_swing():
    empty = view(100, series={"5m": []})
    assert swing_stop(empty, "5m", 5, True) is None
