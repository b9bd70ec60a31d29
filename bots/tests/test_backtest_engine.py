"""The engine by itself, on made-up candles: what is passed over must not matter, and what is known must be the same."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bots import deciders
from bots.backtests import curve, report
from bots.backtests.engine import Backtest, Setup
from bots.backtests.market import Listed, Market
from bots.domain.policy import PRESETS
from bots.tests.builders import BTC, ETH, candles, d, rules, walk
from bots.tests.restless import Restless
from markets.domain import windows
from markets.domain.candles import MINUTE, TIMEFRAMES, Candles, instant, resample

START = 1_741_000_000_000 // (256 * MINUTE) * 256 * MINUTE

FORESEEING = ("house:breakout", "house:equal_weight", "house:mean_reversion", "house:sma_cross", "house:trend")


def minutes(seed=1, count=1500, *, step=0.001, start=100.0, holes=(), noise=0.0004) -> Candles:
    """A lively walk of minutes from `START` on, without the candles at `holes`."""
    made = candles(walk(count, seed=seed, step=step, start=start), noise=noise, now=instant(START + count * MINUTE))
    kept = np.ones(count, bool)
    kept[[hole for hole in holes if hole < count]] = False
    return made[kept]


def market(*parts: Candles, frames=("1m", "5m"), since=300, funding=(), **fields) -> Market:
    """A market of these minutes, traded from the candle number `since` on."""
    listed = [
        Listed(
            rules(symbol, **{"half_spread": d("0.0001"), "impact": d("0.01")} | fields),
            part,
            {name: resample(part, MINUTE, TIMEFRAMES[name]) if name != "1m" else part for name in frames},
            funding,
        )
        for symbol, part in zip((BTC, ETH), parts, strict=False)
    ]
    return Market("1m", START + since * MINUTE, int(parts[0].time[-1]) + MINUTE, listed)


def run(made: Market, decider, **fields):
    defaults = {"policy": PRESETS["bold"], "timeframes": ("1m", "5m"), "interval": MINUTE, "cash": d(10_000)}
    heard: list[Any] = []
    keep = fields.pop("keep", lambda briefing, raw, plan: heard.append((briefing.now, plan)))
    result = Backtest(made, Setup(decider, keep_orders=True, **defaults | fields), keep).run()
    return result, heard


def told(result):
    fills = [(t.fill, t.role) for t in result.trades]
    ended = [(p.symbol, p.opened_at, p.closed_at, p.net, p.exit_reason) for p in result.closed]
    orders = [(o.at, o.role, o.request.side, o.request.quantity, o.request.trigger) for o in result.orders]
    return result.cash, result.equity, fills, ended, orders


@pytest.mark.requirement("BKT-03")
@pytest.mark.parametrize(
    "name", ["house:sma_cross", "house:trend", "house:mean_reversion", "house:breakout", "house:equal_weight"]
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), holes=st.lists(st.integers(10, 1190), max_size=3))
def test_what_a_decider_foresees_changes_nothing(name, seed, holes):
    made = [minutes(seed, 1200, holes=holes), minutes(seed + 1, 1200)]
    # Limits of equity so narrow that they lock while a position is passed over.
    narrow = replace(PRESETS["bold"], max_drawdown=d("0.004"), max_daily_loss=d("0.01"), lock_look_back_minutes=200)
    passed, _ = run(market(*made), deciders.get(name), policy=narrow)
    asked, _ = run(market(*made), deciders.get(name), policy=narrow, foresee=False)

    assert told(passed) == told(asked)
    assert passed.locks == asked.locks
    assert passed.asked <= asked.asked == 900


@pytest.mark.requirement("BKT-01")
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), holes=st.lists(st.integers(10, 890), max_size=4))
def test_instants_that_are_passed_over_change_nothing(seed, holes):
    """A slot at every instant makes the engine stop at each; holding there must leave everything as it was."""
    funding = [(START + n * 240 * MINUTE + 250, d("0.0003")) for n in range(4)]
    made = [minutes(seed, 900, holes=holes, step=0.002), minutes(seed + 1, 900, step=0.002)]
    sparse, _ = run(market(*made, funding=funding), Rarely(Restless()), interval=30 * MINUTE)
    dense, _ = run(market(*made, funding=funding), Rarely(Restless(), every=30), interval=MINUTE)

    assert told(sparse) == told(dense)
    assert len(sparse.trades) > 10


def test_holds_that_nobody_hears_are_not_judged_and_change_nothing():
    made, trend = [minutes(8, 1200), minutes(9, 1200)], deciders.get("house:trend")
    heard, _ = run(market(*made), trend, foresee=False)
    unheard, _ = run(market(*made), trend, foresee=False, keep=None)

    assert told(heard) == told(unheard)
    assert (heard.asked, heard.refused) == (unheard.asked, unheard.refused)


@dataclass(frozen=True)
class Rarely:
    """Lets another decider answer every so many slots, and holds in between."""

    decider: Any
    every: int = 1
    name: ClassVar[str] = "test:rarely"
    description: ClassVar[str] = ""
    remote: ClassVar[bool] = False

    def decide(self, briefing):
        if briefing.slot_index % self.every:
            return {"summary": "", "items": []}
        # Whatever else the answer says, a condition must name a timeframe of the market.
        raw = self.decider.decide(replace(briefing, slot_index=briefing.slot_index // self.every))
        for item in raw["items"]:
            if "invalidation" in item:
                item["invalidation"] = item["invalidation"] | {"timeframe": "5m"}
        return raw


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 1000),
    holes=st.lists(st.integers(0, 1199), max_size=6),
    at=st.integers(1, 1300),
    name=st.sampled_from(["ema_50", "rsi_14", "sma_20", "adx_14"]),
)
def test_an_indicator_reads_as_it_does_live(seed, holes, at, name):
    made = market(minutes(seed, 1200, holes=holes), since=0)
    course, now = made.courses[BTC], START + at * MINUTE
    live = windows.series(course.candles[course.candles.time + MINUTE <= now], "1m", instant(now))

    found = course.windows["1m"].at(now)
    closed = found.closed_at(instant(now))
    assert closed == len(live.candles)
    np.testing.assert_array_equal(found.candles.time[:closed], live.candles.time)
    np.testing.assert_array_equal(found.indicator(name)[:closed], live.indicator(name))
    newest = int(course.candles.time.searchsorted(now - MINUTE, side="right")) - 1
    if closed and course.candles.time[newest] == now - MINUTE:
        np.testing.assert_array_equal(course.windows["1m"].whole(name)[newest], live.indicator(name)[-1])


def test_the_curve_ends_at_the_equity_and_starts_at_the_cash():
    result, _ = run(market(minutes(5), minutes(6)), Restless(), timeframes=("1m", "5m"))
    values = curve.equity(result)

    assert len(values) == result.market.instants + 1
    assert values[0] == pytest.approx(10_000, rel=1e-3)
    assert values[-1] == pytest.approx(float(result.equity), rel=1e-9)
    assert 0 < curve.exposed(result) <= 1


@dataclass(frozen=True)
class Buys:
    """Buys once, with the plan given."""

    plan: tuple[tuple[str, Any], ...]
    name: ClassVar[str] = "test:buys"
    description: ClassVar[str] = ""
    remote: ClassVar[bool] = False

    def decide(self, briefing):
        item = {"symbol": BTC, "action": "open_long", "conviction": 0.9, **dict(self.plan)}
        return {"summary": "", "items": [item] if briefing.slot_index == 0 else []}


def flat(count=400, price=100.0) -> Candles:
    return candles(np.full(count, price), noise=0.0, now=instant(START + count * MINUTE))


def changed(part: Candles, row: int, **prices) -> Candles:
    """The same candles with other prices in one of them."""
    columns = {name: getattr(part, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name, price in prices.items():
        columns[name][row] = price
    return Candles(part.time, **columns)


@pytest.mark.requirement("BKT-02")
def test_a_gap_over_the_stop_fills_at_the_open():
    part = changed(flat(), 320, open=90.0, high=91.0, low=89.0, close=90.0)
    result, _ = run(market(part, half_spread=d(0), impact=d(0)), Buys((("stop", 95),)))

    assert [p.exit_reason for p in result.closed] == ["stop"]
    assert result.trades[-1].fill.price == 90
    assert result.trades[-1].fill.at == instant(START + 320 * MINUTE)


@pytest.mark.requirement("BKT-02")
def test_where_stop_and_target_lie_in_one_candle_the_stop_comes_first():
    part = changed(flat(), 330, high=120.0, low=80.0)
    result, _ = run(market(part, half_spread=d(0), impact=d(0)), Buys((("stop", 95), ("target", 110))))

    assert [p.exit_reason for p in result.closed] == ["stop"]
    assert result.trades[-1].fill.price == 95
    assert result.trades[-1].fill.at == instant(START + 331 * MINUTE)


@pytest.mark.requirement("BKT-02")
def test_a_time_limit_ends_a_position_at_its_minute():
    result, _ = run(market(flat()), Buys((("stop", 95), ("minutes", 17))))

    assert [p.exit_reason for p in result.closed] == ["guardian"]
    assert result.closed[0].closed_at - result.closed[0].opened_at == timedelta(minutes=17)


@pytest.mark.requirement("BKT-02")
def test_funding_is_paid_at_its_own_time_and_only_while_held():
    rates = [(START + minute * MINUTE, d("0.001")) for minute in (200, 310, 350)]
    result, _ = run(market(flat(), funding=rates), Buys((("stop", 95), ("minutes", 20))))

    assert [income.at for income in result.incomes] == [instant(START + 310 * MINUTE)]
    assert result.funding < 0


def test_what_the_venue_refuses_is_told():
    result, _ = run(market(flat(), kind="spot"), Buys((("stop", 95),)))

    assert not result.trades
    assert any("refused an order" in sentence and "perpetuals" in sentence for sentence in report.warnings(result))


def test_a_limit_takes_only_its_share_of_a_candle():
    part = changed(flat(), 310, low=98.0)
    part = changed(part, 311, low=98.0)
    volume = np.where(np.isin(np.arange(len(part)), (310, 311)), 50.0, 1e6)
    part = Candles(part.time, part.open, part.high, part.low, part.close, volume)
    result, _ = run(market(part), Buys((("stop", 97), ("limit", 99), ("leverage", 3))))

    assert [trade.fill.maker for trade in result.trades][:2] == [True, True]
    assert result.trades[0].fill.quantity == 5
