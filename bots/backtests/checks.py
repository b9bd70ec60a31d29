"""Whether a backtest can be believed: no look ahead, and enough warm-up.

A decision must be the same when nothing later than its moment exists, a whole run must be the same when the data end
earlier, and a decision must not hang on how long before it the data begin. Each breach is one sentence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from bots.domain.briefing import Briefing
from bots.domain.plan import Plan
from markets.domain.candles import TIMEFRAMES
from markets.domain.covariance import TIMEFRAME
from markets.domain.indicators import LONGEST_WARMUP
from markets.domain.snapshot import InstrumentView, Series, Snapshot

from .engine import Backtest, Result, Setup
from .market import Listed, Market

SAMPLES, CUTS = 200, (0.3, 0.6, 0.85)
# How far a price may move when the data begin later: an average that has warmed up moves less.
TOLERANCE = 0.001
_PRICES = ("stop", "target", "limit")


@dataclass(slots=True)
class Sample:
    """Keeps some of the decisions of a run, spread over all of it: those that act first of all."""

    kept: list[tuple[Briefing, Mapping[str, Any]]] = field(default_factory=list)
    every: int = 1
    _seen: int = 0

    def __call__(self, briefing: Briefing, raw: dict[str, Any], plan: Plan) -> None:
        self._seen += 1
        if not plan.drafts and self._seen % (10 * self.every):
            return
        if self._seen % self.every == 0 or plan.drafts:
            self.kept.append((briefing, raw))
        if len(self.kept) > 2 * SAMPLES:
            self.kept, self.every = self.kept[::2], self.every * 2


def check(market: Market, setup: Setup, passed: Callable[[int], None] | None = None) -> list[str]:
    """Every breach that a run over this market shows, as sentences; empty where all is well.

    `passed` is called with each instant of each of its runs.
    """
    sample = Sample()
    result = Backtest(market, setup, sample, passed).run()
    found = [
        *_asked_again(setup, sample, _until_now, _same, "looks ahead: without later candles it decides otherwise"),
        *_asked_again(
            setup, sample, _short, _alike, "needs more warm-up: with fewer candles before it decides otherwise"
        ),
    ]
    return [*found, *_shorter(market, setup, result, passed)]


def _asked_again(
    setup: Setup,
    sample: Sample,
    seen: Callable[[InstrumentView], Mapping[str, Series]],
    equal: Callable[[Mapping[str, Any], Mapping[str, Any]], bool],
    breach: str,
) -> list[str]:
    """The first decision that changes when the decider sees less, and how many do."""
    changed = [
        briefing.now
        for briefing, raw in sample.kept
        if not equal(raw, setup.decider.decide(replace(briefing, snapshot=_cut(briefing.snapshot, seen))))
    ]
    if not changed:
        return []
    times = f"{len(changed)} of {len(sample.kept)} decisions tried, first at {changed[0]:%Y-%m-%d %H:%M}"
    return [f"{setup.decider.name} {breach} ({times})."]


def _cut(snapshot: Snapshot, seen: Callable[[InstrumentView], Mapping[str, Series]]) -> Snapshot:
    views = {
        symbol: InstrumentView(view.rules, view.quote, seen(view), view.now)
        for symbol, view in snapshot.instruments.items()
    }
    return Snapshot(snapshot.now, views)


def _until_now(view: InstrumentView) -> dict[str, Series]:
    return {name: Series(name, s.candles[: s.closed_at(view.now)]) for name, s in view.series.items()}


def _short(view: InstrumentView) -> dict[str, Series]:
    """Only as many candles as the longest warm-up of an indicator takes."""
    found = {}
    for name, series in view.series.items():
        closed = series.closed_at(view.now)
        found[name] = Series(name, series.candles[max(0, closed - LONGEST_WARMUP) : closed])
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one == other


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same actions, at nearly the same prices."""
    first, second = ({item["symbol"]: item for item in raw.get("items", ())} for raw in (one, other))
    return first.keys() == second.keys() and all(_alike_items(first[symbol], second[symbol]) for symbol in first)


def _alike_items(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.get("action") != other.get("action"):
        return False
    pairs = [(one.get(name), other.get(name)) for name in _PRICES]
    return all(
        a == b or (a is not None and b is not None and abs(float(a) / float(b) - 1) <= TOLERANCE) for a, b in pairs
    )


def _shorter(market: Market, setup: Setup, result: Result, passed: Callable[[int], None] | None) -> list[str]:
    """Whether a run over less of the data trades otherwise in the part that both have."""
    for part in CUTS:
        end = market.start + int(market.instants * part) * market.step
        if end <= market.start:
            continue
        cut = Market(market.timeframe, market.start, end, [_before(one, end) for one in market.listed])
        last, trades = cut.at(cut.instants), Backtest(cut, setup, passed=passed).run().trades
        before = [trade for trade in result.trades if trade.fill.at < last]
        if before != [trade for trade in trades if trade.fill.at < last]:
            when = f"{last:%Y-%m-%d %H:%M}"
            return [f"{setup.decider.name} looks ahead: a run that ends at {when} trades otherwise before that."]
    return []


def _before(listed: Listed, end: int) -> Listed:
    """What is known of an instrument at `end`: candles that have closed."""
    series = {name: candles[candles.time + TIMEFRAMES[name] <= end] for name, candles in listed.series.items()}
    funding: list[tuple[int, Decimal]] = [(at, rate) for at, rate in listed.funding if at <= end]
    hourly = listed.hourly[listed.hourly.time + TIMEFRAMES[TIMEFRAME] <= end]
    return Listed(listed.rules, listed.candles[listed.candles.time < end], series, funding, hourly)
