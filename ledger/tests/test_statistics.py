"""The statistics beside an independent library where definitions agree, and by hand where they do not."""

from decimal import Decimal as D
from math import sqrt

import empyrical
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.domain.statistics import (
    Closed,
    Columns,
    Daily,
    daily_figures,
    deepest_fall,
    intervals,
    position_figures,
    with_every_day,
)
from ledger.domain.statistics.positions import DAY

pytestmark = pytest.mark.requirement("LED-05")

moves = st.lists(st.floats(-0.3, 0.3).map(lambda move: round(move, 6)), min_size=2, max_size=120)
results = st.lists(st.decimals(-500, 500, places=8), min_size=1, max_size=80)


def series(returns) -> Daily:
    values = 10_000 * np.concatenate([[1.0], np.cumprod(1 + np.array(returns))])
    return Daily(20_000, values, np.zeros(len(values)))


def columns(nets, closed=None):
    """Positions that closed an hour apart with these results; a fee of one is taken from each."""
    numbers = range(1, len(nets) + 1)
    return Columns(
        ids=list(numbers),
        closed=closed or [3600 * number for number in numbers],
        opened=[(3600 - 60) * number for number in numbers],
        long=[number % 2 == 0 for number in numbers],
        realised=[D(net) + 1 for net in nets],
        fees=[D(1)] * len(nets),
        funding=[D(0)] * len(nets),
        traded=[100.0] * len(nets),
    )


def figures(nets):
    return position_figures(Closed().and_then(columns(nets)))


# --- Daily series beside empyrical -----------------------------------------------------------------------


@settings(max_examples=150)
@given(moves)
def test_daily_ratios_are_those_of_an_independent_library(returns):
    ours, year = daily_figures(series(returns)), {"annualization": 365}
    exact = series(returns).returns
    near = pytest.approx
    assert ours.total_return == near(empyrical.cum_returns_final(exact), rel=1e-9, abs=1e-12)
    assert ours.annual_return == near(empyrical.annual_return(exact, **year), rel=1e-9, abs=1e-12)
    assert ours.volatility == near(empyrical.annual_volatility(exact, **year), rel=1e-9, abs=1e-12)
    assert ours.cvar == near(empyrical.conditional_value_at_risk(exact), rel=1e-9, abs=1e-12)
    assert (ours.fall.depth if ours.fall else 0) == near(-empyrical.max_drawdown(exact), rel=1e-9, abs=1e-12)
    if ours.volatility > 1e-6:
        assert ours.sharpe == near(empyrical.sharpe_ratio(exact, **year), rel=1e-9, abs=1e-12)
    if ours.sortino is not None:
        assert ours.sortino == near(empyrical.sortino_ratio(exact, **year), rel=1e-9, abs=1e-12)
    if ours.calmar is not None:
        assert ours.calmar == near(empyrical.calmar_ratio(exact, **year), rel=1e-9, abs=1e-12)
    if ours.omega is not None:
        assert ours.omega == near(empyrical.omega_ratio(exact), rel=1e-9, abs=1e-12)


def test_a_ratio_without_a_base_is_none():
    flat = daily_figures(series([0.0, 0.0, 0.0]))
    assert (flat.sharpe, flat.sortino, flat.calmar, flat.omega, flat.fall) == (None,) * 5
    assert (flat.volatility, flat.total_return) == (0, 0)
    rising = daily_figures(series([0.01, 0.02]))
    assert rising.sortino is None
    assert rising.omega is None


def test_a_series_without_a_return_has_no_figures():
    assert daily_figures(None) == daily_figures(series([]))
    assert daily_figures(None).days == 0


def test_a_deposit_is_no_gain_and_a_withdrawal_no_loss():
    daily = with_every_day({5: 1000.0, 6: 2100.0, 7: 1050.0}, {5: 1000.0, 6: 1000.0, 7: -1050.0})
    assert daily.returns == pytest.approx([0, 0.05, 0])
    assert daily_figures(daily).fall is None


def test_a_day_without_a_point_repeats_the_day_before():
    daily = with_every_day({5: 1000.0, 8: 1100.0}, {4: 1000.0})
    assert daily.values.tolist() == [0, 1000, 1000, 1000, 1100]
    assert daily.returns == pytest.approx([0, 0, 0, 0.1])
    assert daily_figures(daily).days == 4


def test_the_first_day_counts_from_what_was_paid_in():
    assert with_every_day({5: 900.0}, {5: 1000.0}).returns == pytest.approx([-0.1])
    assert daily_figures(with_every_day({5: 900.0}, {})).days == 0


def test_a_book_that_lost_everything_stays_at_nothing():
    lost = daily_figures(Daily(0, np.array([100.0, 0.0, 0.0]), np.zeros(3)))
    assert (lost.total_return, lost.annual_return, lost.fall.depth) == (-1, -1, 1)


# --- Falls -----------------------------------------------------------------------------------------------


def test_a_fall_has_dates():
    fall = deepest_fall(np.array([1.0, 2.0, 1.5, 1.0, 1.8, 2.0, 1.9, 2.1]))
    assert (fall.depth, fall.peak, fall.trough, fall.recovered, fall.longest) == (0.5, 1, 3, 5, 4)
    assert (fall.to_trough, fall.to_recovery) == (2, 2)


def test_a_fall_that_lasts_has_no_recovery_and_counts_until_today():
    fall = deepest_fall(np.array([1.0, 2.0, 1.5, 1.6, 1.7]))
    assert (fall.trough, fall.recovered, fall.to_recovery, fall.longest) == (2, None, None, 3)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60))
def test_the_deepest_fall_is_the_worst_of_all_pairs(values):
    worst = max((a - b) / a for i, a in enumerate(values) for b in values[i:])
    fall = deepest_fall(np.array(values))
    assert (fall.depth if fall else 0) == pytest.approx(worst)
    if fall:
        assert (values[fall.peak] - values[fall.trough]) / values[fall.peak] == pytest.approx(worst)


# --- Closed positions ------------------------------------------------------------------------------------


def test_figures_of_closed_positions_by_hand():
    found = figures([10, -5, 20, 0, -5, -10])
    assert (found.positions, found.won, found.lost) == (6, 2, 3)
    assert found.win_rate == pytest.approx(1 / 3)
    assert found.profit_factor == pytest.approx(1.5)
    assert found.expectancy == pytest.approx(10 / 6)
    assert found.payoff == pytest.approx(15 / (20 / 3))
    assert found.expectancy_ratio == pytest.approx((1 + 2.25) / 3 - 1)
    assert (found.best, found.worst) == ((3, D(20)), (6, D(-10)))
    assert (found.winning_streak, found.losing_streak, found.current_streak) == (1, 2, -2)
    assert (found.longs.positions, found.longs.net) == (3, -15)
    assert (found.shorts.positions, found.shorts.net, found.shorts.win_rate) == (3, 25, pytest.approx(2 / 3))
    assert (found.held.shortest, found.held.median, found.held.longest) == (60, 210, 360)
    assert (found.held_won.longest, found.held_lost.shortest) == (180, 120)
    assert found.totals.fees == 6


@given(results)
def test_sums_are_exact_and_sqn_follows_its_definition(nets):
    found = figures(nets)
    assert found.totals.net == sum(nets)
    assert found.totals.realised - found.totals.fees + found.totals.funding == found.totals.net
    assert found.totals.gains == sum(net for net in nets if net > 0)
    floats = np.array([float(net) for net in nets])
    if len(nets) > 1 and floats.std():
        assert found.sqn == pytest.approx(sqrt(len(nets)) * floats.mean() / floats.std(ddof=1), rel=1e-9, abs=1e-9)
    assert found.best[1] == max(nets)
    assert found.worst[1] == min(nets)


@given(results, st.integers(0, 80))
def test_read_in_parts_is_the_same_as_read_at_once(nets, cut):
    whole, every = Closed().and_then(columns(nets)), columns(nets)
    first, second = (Columns(*(column[part] for column in every)) for part in (slice(cut), slice(cut, None)))
    parts = Closed().and_then(first).and_then(second)
    assert position_figures(parts) == position_figures(whole)
    assert parts.totals == whole.totals
    assert parts.traded == whole.traded


def test_only_losses_have_no_payoff_and_only_gains_no_profit_factor():
    assert figures([-1, -2]).payoff is None
    assert figures([-1, -2]).profit_factor == 0
    assert figures([1, 2]).profit_factor is None
    assert figures([]).positions == 0


def test_results_by_day():
    closed = Closed().and_then(columns([1, 2, 4], closed=[DAY, 2 * DAY - 1, 4 * DAY]))
    assert closed.by_day() == {1: 3.0, 4: 4.0}


# --- Intervals -------------------------------------------------------------------------------------------


def mean(sums, count):
    return sums[:, 0] / count


def test_an_interval_is_as_wide_as_the_theory_says():
    values = np.random.default_rng(3).normal(0.5, 2, 400)
    found = intervals(values[:, None], {"mean": mean})["mean"]
    error = values.std() / sqrt(400)
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.35 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.35 * error)


def test_blocks_keep_what_hangs_together():
    """Twenty losses after twenty gains are fewer witnesses than eight hundred coins: the interval is wider."""
    coins = np.random.default_rng(5).permutation(np.tile([1.0, -1.0], 400))
    runs = np.repeat(np.tile([1.0, -1.0], 20), 20)
    wide, narrow = (intervals(values[:, None], {"mean": mean})["mean"] for values in (runs, coins))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_intervals_are_the_same_every_time_and_missing_for_few():
    nets = np.random.default_rng(1).normal(0, 1, 5000)[:, None]
    assert intervals(nets, {"mean": mean}) == intervals(nets, {"mean": mean})
    assert intervals(nets[:9], {"mean": mean}) == {"mean": None}
    assert figures([1] * 9).win_rate_interval is None
    assert figures([1, -1] * 20).win_rate_interval.low < 0.5 < figures([1, -1] * 20).win_rate_interval.high


def test_an_interval_without_a_base_is_none():
    assert figures([1] * 40).profit_factor_interval is None
