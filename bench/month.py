"""A month of real candles through triggers, prompt, parser and judgement, without a database or a venue.

`python -m bench.month FOLDER` prints what the triggers skip and what that misses, with a house strategy in the place of
a model. The book is the simplest that keeps positions honest: fills at the judged price, stops and targets by candle.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bots.domain.briefing import Briefing
from bots.domain.decisions import parse
from bots.domain.judgement import Plan, judge
from bots.domain.policy import PRESETS
from bots.domain.prompt import Prompt, render
from bots.domain.story import ClosedTrade, Said, Story, telling
from bots.domain.triggers import Gate, Thresholds, Weighed, memory, weigh
from bots.prompts import shipped
from ledger.domain.intents import IntentDraft, Kind
from ledger.domain.portfolio import HeldPosition, Portfolio
from markets.domain.candles import TIMEFRAMES, Candles, resample
from markets.domain.instruments import InstrumentRules
from markets.domain.rounding import ZERO
from markets.domain.snapshot import InstrumentView, QuoteView, Series, Snapshot

COINS = ("BTC", "ETH", "SOL", "BNB", "LTC", "XRP")
FRAMES = ("5m", "15m", "1h")
BASE = "1m"
INTERVAL = timedelta(minutes=3)
# All that is stored of these coins, but for the hours of the first day; the slowest indicators know after eight days.
START, WARM, END = (datetime(2025, month, day, tzinfo=UTC) for month, day in ((5, 5), (5, 13), (6, 3)))
Answer = Callable[[Briefing, Prompt], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Market:
    """Candles of each instrument in all timeframes, whole: a moment is a cursor over them."""

    rules: Mapping[str, InstrumentRules]
    base: Mapping[str, Candles]
    series: Mapping[str, Mapping[str, Series]]

    def at(self, now: datetime) -> Snapshot:
        views = {}
        for symbol, rules in self.rules.items():
            candles = self.base[symbol]
            last = int(candles.time.searchsorted(int(now.timestamp() * 1000) - TIMEFRAMES[BASE], side="right")) - 1
            if last < 0:
                raise LookupError(f"There is no candle of {symbol} before {now}.")
            price = rules.price(float(candles.close[last]))
            liquidity = Decimal(repr(float(candles.volume[last] * candles.close[last])))
            views[symbol] = InstrumentView(
                rules, QuoteView.around(rules, price, now, liquidity), self.series[symbol], now
            )
        return Snapshot(now, views)

    def range(self, symbol: str, since: datetime, now: datetime) -> tuple[float, float]:
        """Lowest and highest price after `since`, until `now`."""
        candles = self.base[symbol]
        first, end = candles.time.searchsorted([int(since.timestamp() * 1000), int(now.timestamp() * 1000)])
        return float(candles.low[first:end].min()), float(candles.high[first:end].max())


def load(folder: Path, coins: Sequence[str] = COINS) -> Market:
    """One-minute candles of May 2025, with their coarser timeframes. Needs Django to be set up."""
    from markets import candle_files, listing
    from markets.models import Instrument

    rules, base, series = {}, {}, {}
    for coin in coins:
        path = folder / "binanceusdm-1m-2025-05" / "binanceusdm" / f"{coin}_USDT_USDT-{BASE}.parquet"
        held = candle_files.contents(path)
        candles = candle_files.read_candles(held, datetime.now(UTC))
        symbol = f"{coin}/USDT:USDT"
        rules[symbol] = Instrument(exchange="binanceusdm", **listing.described("binanceusdm", symbol)).rules
        base[symbol] = candles
        coarser = {frame: resample(candles, TIMEFRAMES[BASE], TIMEFRAMES[frame]) for frame in FRAMES}
        series[symbol] = {frame: Series(frame, part) for frame, part in coarser.items()}
    return Market(rules, base, series)


@dataclass(slots=True)
class Purse:
    """Cash and positions of one book, with its closed trades."""

    cash: Decimal = Decimal(10_000)
    held: dict[str, HeldPosition] = field(default_factory=dict)
    closed: list[ClosedTrade] = field(default_factory=list)
    said: tuple[Said, ...] = ()
    said_at: datetime | None = None

    def portfolio(self, market: Snapshot) -> Portfolio:
        marked = [replace(one, mark=market[one.symbol].quote.mark) for one in self.held.values()]
        return Portfolio(1, "USDT", self.cash, Decimal(10_000), tuple(marked))

    def settle(self, market: Market, since: datetime, now: datetime) -> None:
        """Stops first, then targets, then time limits."""
        for symbol, one in list(self.held.items()):
            low, high = market.range(symbol, since, now)
            for level, why in ((one.stop, "stop"), (one.target, "target")):
                if level is not None and low <= float(level) <= high and symbol in self.held:
                    self.close(one, level, market.rules[symbol], now, why)

    def apply(self, plan: Plan, market: Market, now: datetime) -> None:
        said = (Said(item.symbol, item.action, str(item.outcome), item.reason) for item in plan.items)
        self.said, self.said_at = telling(said), now
        for draft in plan.drafts:
            rules = market.rules[draft.symbol]
            if draft.kind == Kind.OPEN:
                self.open(draft, rules, now)
            elif draft.kind == Kind.CLOSE:
                self.close(self.held[draft.symbol], draft.price, rules, now, "decision")
            elif draft.kind == Kind.ADJUST_EXITS:
                one = self.held[draft.symbol]
                self.held[draft.symbol] = replace(one, stop=draft.stop or one.stop, target=draft.target or one.target)

    def open(self, draft: IntentDraft, rules: InstrumentRules, now: datetime) -> None:
        cost = draft.quantity * draft.price
        fee = cost * rules.taker_fee
        self.cash -= fee
        self.held[draft.symbol] = HeldPosition(
            id=1, symbol=draft.symbol, long=draft.long, quantity=draft.quantity if draft.long else -draft.quantity,
            cost=cost, mark=draft.price, margin=cost / draft.leverage, leverage=draft.leverage, opened_at=now,
            stop=draft.stop, target=draft.target, trail=draft.trail, expires_at=draft.expires_at, fees=fee,
        )  # fmt: skip

    def close(self, one: HeldPosition, price: Decimal, rules: InstrumentRules, now: datetime, why: str) -> None:
        worth = abs(one.quantity) * price
        gain, fee = (worth - one.cost) * one.sign, worth * rules.taker_fee
        self.cash += gain - fee
        entry = one.cost / abs(one.quantity)
        net = gain - fee - one.fees
        self.closed.append(ClosedTrade(one.symbol, one.long, entry, price, net, one.opened_at or now, now, why))
        del self.held[one.symbol]


@dataclass(frozen=True, slots=True)
class Decided:
    """One moment: what the triggers said, the question, and what came of the answer."""

    at: datetime
    weighed: Weighed
    prompt: Prompt | None
    plan: Plan | None
    wanted: bool

    def as_json(self) -> dict[str, Any]:
        items = self.plan.items if self.plan else ()
        return {
            "at": self.at.isoformat(), "gate": self.weighed.gate, "code": self.weighed.code, "why": self.weighed.text,
            "question": self.prompt.digest if self.prompt else None, "summary": self.plan.summary if self.plan else "",
            "items": [
                [item.symbol, item.action, item.outcome, item.reason, [verdict.as_json() for verdict in item.verdicts],
                 str(item.draft)] for item in items
            ],
        }  # fmt: skip


def walk(
    market: Market,
    answer: Answer,
    *,
    start: datetime = START,
    end: datetime = END,
    thresholds: Thresholds | None = None,
    seed: int = 7,
    words: bool = True,
) -> Iterator[Decided]:
    """Slot after slot. Without `words` no prompt is rendered, which is most of the work."""
    limits, purse, last = thresholds or Thresholds(), Purse(), None
    now, index = start, 0
    while now < end:
        purse.settle(market, now - INTERVAL, now)
        told = briefing(market.at(now), purse, seed, index)
        weighed = weigh(told, last, limits)
        if weighed.asks:
            prompt = render(told, shipped("standard")) if words else Prompt("", "")
            last = memory(told)
            raw = answer(told, prompt)
            plan = judge(told, parse(raw, known=told.symbols, timeframes=told.timeframes))
            purse.apply(plan, market, now)
            yield Decided(now, weighed, prompt, plan, wants(raw))
        else:
            yield Decided(now, weighed, None, None, False)
        now, index = now + INTERVAL, index + 1


def briefing(market: Snapshot, purse: Purse, seed: int, index: int) -> Briefing:
    return Briefing(
        bot="month", now=market.now, timeframes=FRAMES, policy=PRESETS["balanced"], snapshot=market,
        portfolio=purse.portfolio(market), seed=seed, slot_index=index,
        story=Story(tuple(purse.closed[-3:]), purse.said, purse.said_at),
        interval_seconds=int(INTERVAL.total_seconds()),
    )  # fmt: skip


def wants(raw: Mapping[str, Any]) -> bool:
    """Whether an answer asks for more than holding."""
    return any(item["action"] != "hold" for item in raw["items"])


def truth(market: Market, decide: Callable[[Briefing], Mapping[str, Any]]) -> Iterator[bool]:
    """For each moment that is skipped: whether the decider would have wanted to act, had it been asked.

    The same walk, but the decider is looked at also where it is not asked; nothing comes of that.
    """
    limits, purse, last = Thresholds(shadow=ZERO), Purse(), None
    for index in range((END - WARM) // INTERVAL):
        now = WARM + index * INTERVAL
        purse.settle(market, now - INTERVAL, now)
        told = briefing(market.at(now), purse, 7, index)
        raw = decide(told)
        if weigh(told, last, limits).asks:
            last = memory(told)
            purse.apply(judge(told, parse(raw, known=told.symbols, timeframes=told.timeframes)), market, now)
        else:
            yield wants(raw)


def measured(market: Market, strategy: str) -> dict[str, float]:
    """In per cent: moments skipped, shadow questions that wanted to act, and skipped moments that would have.

    The last is what nobody can know who pays for answers; a strategy in code answers for nothing.
    """
    from bots import deciders

    decider = deciders.get(strategy)
    moments = list(walk(market, lambda told, _: decider.decide(told), start=WARM, words=False))
    shadows = [one.wanted for one in moments if one.weighed.gate == Gate.SHADOW]
    skipped = [one for one in moments if one.weighed.gate == Gate.SKIPPED]
    missed = list(truth(market, decider.decide))
    return {
        "moments": len(moments),
        "skipped": 100 * len(skipped) / len(moments),
        "shadows": len(shadows),
        "missed_sample": 100 * sum(shadows) / max(len(shadows), 1),
        "missed_truth": 100 * sum(missed) / max(len(missed), 1),
    }


def main() -> None:
    import django

    django.setup()
    sys.stdout.write(json.dumps(measured(load(Path(sys.argv[1])), sys.argv[2])))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    main()
