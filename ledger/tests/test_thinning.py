from decimal import Decimal as D

from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.performance import max_drawdown
from ledger.domain.thinning import DAY, HOUR, spare

growths = st.lists(st.decimals("0.01", 100, places=2), min_size=1, max_size=80)
# How many of the points are old enough for a point an hour, and for one a day.
shares = st.floats(0, 1)


def curve(values, every=600):
    return [(number, number * every, value) for number, value in enumerate(values, 1)]


def without(points, **bounds):
    gone = set(spare(points, **bounds))
    return [point for point in points if point[0] not in gone]


def test_of_each_old_hour_the_last_stays():
    points = curve([D(1)] * 18)  # ten minutes apart: hours end at 5, 11, 17
    kept = without(points, hourly_before=2 * HOUR, daily_before=0)
    assert [pk for pk, *_ in kept] == [1, 5, 11, 12, 13, 14, 15, 16, 17, 18]


def test_of_each_older_day_the_last_stays():
    points = curve([D(1)] * 30, every=4 * HOUR)
    kept = without(points, hourly_before=3 * DAY, daily_before=3 * DAY)
    assert [pk for pk, *_ in kept] == [1, 5, 11, 17, *range(18, 31)]


def test_the_peak_and_the_deepest_fall_stay():
    points = curve([D(1), D("1.4"), D("1.2"), D("0.7"), D("1.1"), D(1), D(1), D(1)])
    kept = without(points, hourly_before=DAY, daily_before=DAY)
    assert [pk for pk, *_ in kept] == [1, 2, 4, 8]


def test_nothing_young_goes():
    assert spare(curve([D(1)] * 20), hourly_before=0, daily_before=0) == []
    assert spare([], hourly_before=DAY, daily_before=DAY) == []


@given(growths, growths, shares, shares)
def test_thinning_changes_no_drawdown_now_or_later(values, later, hours, days):
    points, end = curve(values), len(values) * 600
    bounds = {"hourly_before": int(end * hours), "daily_before": int(end * hours * days)}

    kept = without(points, **bounds)

    assert max_drawdown(value for *_, value in kept) == max_drawdown(values)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert max_drawdown([value for *_, value in kept] + later) == max_drawdown(values + later)


@given(growths, growths, shares)
def test_thinning_again_changes_no_drawdown_either(values, later, share):
    points = curve(values + later)
    early = [point for point in points if point[0] <= len(values)]
    cut = int(len(values) * 600 * share)

    once = without(early, hourly_before=cut, daily_before=0)
    again = without(once + points[len(values) :], hourly_before=len(values) * 600, daily_before=cut)

    assert max_drawdown(value for *_, value in again) == max_drawdown(values + later)
