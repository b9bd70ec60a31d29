"""Mean reversion: against a price outside its Bollinger band with an extreme RSI, back to the middle band."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.policy import Policy
from bots.domain.risk import prices
from bots.domain.sizing import target_snapped
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class Reading:
    """Band, RSI, noise and close of one instrument at the last closed candle."""

    close: float
    upper: float
    middle: float
    lower: float
    rsi: float
    atr: float


@dataclass(frozen=True, slots=True)
class MeanReversion:
    """Buys below the lower band when oversold, sells above the upper one when overbought; finest timeframe."""

    name: ClassVar[str] = "house:mean_reversion"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Fades RSI extremes outside the Bollinger band; target the middle band, ATR stop."

    oversold: float = 30.0
    overbought: float = 70.0
    stop_atr: float = 1.5

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        timeframe = briefing.timeframes[0]
        items = proposals.in_turn(briefing, lambda view, room: self._item(briefing, view, timeframe, room))
        entries = sum(item["action"].startswith("open") for item in items)
        return proposals.answer(f"{entries} of {len(items)} instruments are at an extreme on {timeframe}.", items)

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        timeframe, found = timeframes[0], {}
        for symbol, one in past.items():
            close, rsi = one.candles(timeframe).close, one.indicator(timeframe, "rsi_14")
            low = (close < one.indicator(timeframe, "bollinger_lower")) & (rsi < self.oversold)
            high = (close > one.indicator(timeframe, "bollinger_upper")) & (rsi > self.overbought)
            found[symbol] = Foresight(timeframe, flat=low | high, long=rsi > 50, short=~(rsi > 50))
        return found

    def _item(self, briefing: Briefing, view: InstrumentView, timeframe: str, room: bool) -> Raw:
        reading = _read(view, timeframe)
        if reading is None:
            return proposals.hold(view.symbol, f"Not enough candles of {timeframe} for band and RSI yet.")
        words = _words(view, timeframe, reading)
        held = briefing.portfolio.position(view.symbol)
        if held is not None and held.quantity and (reading.rsi > 50) == held.long:
            return proposals.close(view.symbol, 0.6, f"Back to the mean: {words}.")
        if held is not None:
            return proposals.hold(view.symbol, f"Not back at the mean yet: {words}.")
        long = reading.close < reading.lower and reading.rsi < self.oversold
        short = reading.close > reading.upper and reading.rsi > self.overbought
        if not (long or short):
            return proposals.hold(view.symbol, f"No extreme: {words}.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, f"An extreme, but there is no free place: {words}.")
        return self._entry(briefing, view, reading, long, words)

    def _entry(self, briefing: Briefing, view: InstrumentView, reading: Reading, long: bool, words: str) -> Raw:
        distance = self.stop_atr * reading.atr
        stop = proposals.planned_stop(briefing, view, long=long, distance=distance)
        judged = prices(view, long, briefing.policy.max_slippage).judged
        target = target_snapped(Decimal(repr(reading.middle)), long, view.rules)
        gain = (target - judged) if long else (judged - target)
        reward, least = gain / abs(judged - stop), briefing.policy.min_reward_to_risk
        if reward < least:
            why = f"the middle band pays {reward:.2f} times the risk, less than {least:.2f}"
            return proposals.hold(view.symbol, f"No entry, {why}: {words}.")
        stretch = abs(reading.rsi - 50) / 50
        reason = f"{'Oversold' if long else 'Overbought'}: {words}; stop {self.stop_atr:g} ATR away."
        item = proposals.entry(
            briefing, view, long=long, conviction=0.4 + stretch / 2, distance=distance, reward=None, reason=reason
        )
        return item | {"target": float(target)}


def _read(view: InstrumentView, timeframe: str) -> Reading | None:
    names = ("bollinger_upper", "bollinger_middle", "bollinger_lower", "rsi_14", "atr_14")
    values = [view.indicator(timeframe, name) for name in names]
    known = [value for value in values if value is not None]
    candles = view.candles(timeframe, 1)
    return Reading(float(candles.close[-1]), *known) if len(known) == len(names) else None


def _words(view: InstrumentView, timeframe: str, reading: Reading) -> str:
    close, lower, upper = (proposals.at_tick(view, v) for v in (reading.close, reading.lower, reading.upper))
    return f"close {close} in the band {lower} to {upper} of {timeframe}, RSI {reading.rsi:.0f}"
