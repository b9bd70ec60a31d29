"""Whether this moment deserves a paid question: pure, from the briefing and what was known at the last question.

The first reason that holds is enough. A moment without one is skipped, but a share of those is asked all the same
(«shadow»), drawn from the bot's seed and the slot, so that what skipping misses is a number and not a belief.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from ledger.domain.portfolio import HeldPosition
from markets.domain.candles import TIMEFRAMES, instant, milliseconds
from markets.domain.snapshot import InstrumentView

from .briefing import Briefing
from .exit_plan import CloseAbove, CloseBelow
from .wording import exact, percent


class Gate(StrEnum):
    """What became of a moment: SHADOW is one without a reason that was asked for the record."""

    ASKED = "asked"
    SKIPPED = "skipped"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`cap` ends every silence (zero: ask at every slot); distances are in ATRs of 14 candles.

    `shadow` is the share of skipped moments that is asked anyway, 0 to 1.
    """

    cap: timedelta = timedelta(minutes=60)
    shadow: Decimal = Decimal("0.05")
    near: float = 1.0
    moved: float = 3.0
    funding: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Memory:
    """What was known when the bot was asked last: `positions` by symbol, prices, and the state of each indicator."""

    at: datetime
    positions: Mapping[str, str] = field(default_factory=dict)
    prices: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "at": self.at.isoformat(), "positions": dict(self.positions), "prices": dict(self.prices),
            "states": dict(self.states),
        }  # fmt: skip

    @classmethod
    def of_json(cls, raw: Mapping[str, object]) -> "Memory":
        """What `as_json` gave."""
        return cls(datetime.fromisoformat(str(raw["at"])), raw["positions"], raw["prices"], raw["states"])  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Weighed:
    """The verdict on one moment. `code` is stable; `text` one sentence for people."""

    gate: Gate
    code: str
    text: str

    @property
    def asks(self) -> bool:
        return self.gate != Gate.SKIPPED


def memory(briefing: Briefing) -> Memory:
    """What to remember of this moment once it has been asked about."""
    views = briefing.snapshot.instruments.values()
    return Memory(
        briefing.now,
        {held.symbol: exact(held.quantity) for held in briefing.portfolio.positions},
        {view.symbol: float(view.quote.mark) for view in views},
        {key: state for view in views for key, state in _states(view, briefing)},
    )


def weigh(briefing: Briefing, last: Memory | None, thresholds: Thresholds, *, urgent: str = "") -> Weighed:
    """The verdict on this moment. `urgent` is a reason from outside, such as a person's wish; it always asks."""
    if urgent:
        return Weighed(Gate.ASKED, "urgent", urgent)
    code, text = next(_reasons(briefing, last, thresholds), ("", ""))
    if code:
        return Weighed(Gate.ASKED, code, text)
    quiet = "Nothing near, nothing changed"
    if random.Random(f"shadow:{briefing.seed}:{briefing.slot_index}").random() < thresholds.shadow:
        return Weighed(Gate.SHADOW, "shadow", f"{quiet}; asked all the same, to see what skipping misses.")
    assert last is not None
    return Weighed(Gate.SKIPPED, "quiet", f"{quiet} since {last.at:%H:%M}.")


def _reasons(briefing: Briefing, last: Memory | None, thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    if last is None:
        yield "first", "It was not asked before."
        return
    if briefing.now - last.at >= thresholds.cap:
        yield "time_cap", f"The last question is {thresholds.cap // timedelta(minutes=1)} minutes old or older."
    yield from _positions(briefing, last)
    for held in briefing.portfolio.positions:
        if (view := briefing.snapshot.instruments.get(held.symbol)) is not None:
            yield from _near(held, view, briefing, thresholds)
            yield from _funding(view, last, thresholds)
    for view in briefing.snapshot.instruments.values():
        yield from _moved(view, briefing, last, thresholds)
        yield from _changed(view, briefing, last)
    yield from _candle(briefing, last)


def _positions(briefing: Briefing, last: Memory) -> Iterator[tuple[str, str]]:
    now = {held.symbol: exact(held.quantity) for held in briefing.portfolio.positions}
    for symbol in sorted({*now, *last.positions}):
        if now.get(symbol) != last.positions.get(symbol):
            yield "position_changed", f"The position in {symbol} is not what it was."


def _near(
    held: HeldPosition, view: InstrumentView, briefing: Briefing, thresholds: Thresholds
) -> Iterator[tuple[str, str]]:
    width = view.indicator(briefing.timeframes[0], "atr_14") if briefing.timeframes[0] in view.series else None
    levels = [("stop", held.stop), ("target", held.target)]
    if isinstance(condition := briefing.story.conditions.get(held.symbol), CloseAbove | CloseBelow):
        levels.append(("invalidation", condition.price))
    for name, level in levels:
        if level is not None and width and abs(float(view.quote.mark - level)) <= thresholds.near * width:
            yield "level_near", f"{held.symbol} is within {thresholds.near:g} ATR of its {name} {exact(level)}."


def _funding(view: InstrumentView, last: Memory, thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    """Once for each settlement, and only for what is held: nobody else pays it."""
    rate, due = view.quote.funding_rate, view.quote.next_funding_at
    if rate and due is not None and last.at < due - thresholds.funding <= view.now:
        yield "funding_near", f"{view.symbol} settles funding of {percent(rate)} soon."


def _moved(view: InstrumentView, briefing: Briefing, last: Memory, thresholds: Thresholds) -> Iterator[tuple[str, str]]:
    before, timeframe = last.prices.get(view.symbol), deciding(briefing)
    width = view.indicator(timeframe, "atr_14") if timeframe in view.series else None
    if before is not None and width and abs(float(view.quote.mark) - before) >= thresholds.moved * width:
        yield "volatility", f"{view.symbol} moved by {thresholds.moved:g} ATR of {timeframe} or more."


def _changed(view: InstrumentView, briefing: Briefing, last: Memory) -> Iterator[tuple[str, str]]:
    for key, state in _states(view, briefing):
        if last.states.get(key) not in (None, state):
            yield "indicator_changed", f"{key} went from {last.states[key]} to {state}."


def _candle(briefing: Briefing, last: Memory) -> Iterator[tuple[str, str]]:
    """A new candle of the coarsest timeframe has closed."""
    timeframe = briefing.timeframes[-1]
    step = TIMEFRAMES[timeframe]
    if milliseconds(briefing.now) // step != milliseconds(last.at) // step:
        opened = instant(milliseconds(briefing.now) // step * step)
        yield "new_candle", f"A {timeframe} candle closed at {opened:%H:%M}."


def deciding(briefing: Briefing) -> str:
    """The timeframe whose indicators count: the middle one, neither noise nor history."""
    return briefing.timeframes[len(briefing.timeframes) // 2]


def _states(view: InstrumentView, briefing: Briefing) -> Iterator[tuple[str, str]]:
    """Trend and temperature of an instrument, in words: what has to change to be worth a question."""
    timeframe = deciding(briefing)
    if timeframe not in view.series:
        return
    fast, slow = view.indicator(timeframe, "ema_20"), view.indicator(timeframe, "ema_50")
    if fast is not None and slow is not None:
        yield f"{view.symbol} trend of {timeframe}", "up" if fast > slow else "down"
    strength = view.indicator(timeframe, "rsi_14")
    if strength is not None:
        zone = "overbought" if strength > 70 else "oversold" if strength < 30 else "neutral"
        yield f"{view.symbol} RSI of {timeframe}", zone
