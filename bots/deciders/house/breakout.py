"""Breakout: with a close beyond the range of the last 20 candles, out again when the middle of that range gives way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.policy import Policy
from markets.domain.candles import Floats
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw

HIGH, LOW = "highest_20", "lowest_20"


@dataclass(frozen=True, slots=True)
class Reading:
    """The last close, the range of the 20 candles before it, the middle of the range with it, and the noise."""

    close: float
    upper: float
    lower: float
    middle: float
    atr: float


@dataclass(frozen=True, slots=True)
class Breakout:
    """Enters with a close beyond the range (Donchian channel) of the middle timeframe, leaves at its middle."""

    name: ClassVar[str] = "house:breakout"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Trades closes beyond the high or low of 20 candles; ATR stop, out at the middle."

    stop_atr: float = 2.0
    target_atr: float = 6.0

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        timeframe = proposals.middle(briefing.timeframes)
        items = proposals.in_turn(briefing, lambda view, room: self._item(briefing, view, timeframe, room))
        entries = sum(item["action"].startswith("open") for item in items)
        return proposals.answer(f"{entries} of {len(items)} instruments break out on {timeframe}.", items)

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        timeframe, found = proposals.middle(timeframes), {}
        for symbol, one in past.items():
            close = one.candles(timeframe).close
            high, low = one.rough(timeframe, HIGH), one.rough(timeframe, LOW)
            middle = (high + low) / 2
            beyond = (close > _before(high)) | (close < _before(low))
            found[symbol] = Foresight(timeframe, flat=beyond, long=close < middle, short=close > middle)
        return found

    def _item(self, briefing: Briefing, view: InstrumentView, timeframe: str, room: bool) -> Raw:
        reading = _read(view, timeframe)
        if reading is None:
            return proposals.hold(view.symbol, f"Not enough candles of {timeframe} for the range yet.")
        words, held = _words(view, timeframe, reading), briefing.portfolio.position(view.symbol)
        if held is not None:
            back = reading.close < reading.middle if held.long else reading.close > reading.middle
            if held.quantity and back:
                return proposals.close(view.symbol, 0.6, f"Back through the middle of the range: {words}.")
            return proposals.hold(view.symbol, f"The breakout still holds: {words}.")
        long = reading.close > reading.upper
        if not long and not reading.close < reading.lower:
            return proposals.hold(view.symbol, f"Inside the range: {words}.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, f"A breakout, but there is no free place: {words}.")
        return proposals.entry(
            briefing,
            view,
            long=long,
            conviction=0.6,
            distance=self.stop_atr * reading.atr,
            reward=self.target_atr / self.stop_atr,
            reason=f"Breakout {'up' if long else 'down'}: {words}; stop {self.stop_atr:g} ATR away.",
        )


def _before(values: Floats) -> Floats:
    """The value at the candle before each."""
    return np.concatenate([[np.nan], values[:-1]])


def _read(view: InstrumentView, timeframe: str) -> Reading | None:
    ranges = [view.indicator(timeframe, name, back) for name, back in ((HIGH, 1), (LOW, 1), (HIGH, 0), (LOW, 0))]
    atr = view.indicator(timeframe, "atr_14")
    known = [value for value in ranges if value is not None]
    if len(known) < len(ranges) or atr is None:
        return None
    upper, lower, high, low = known
    return Reading(float(view.candles(timeframe, 1).close[-1]), upper, lower, (high + low) / 2, atr)


def _words(view: InstrumentView, timeframe: str, reading: Reading) -> str:
    close, lower, upper = (proposals.at_tick(view, v) for v in (reading.close, reading.lower, reading.upper))
    return f"close {close}, range {lower} to {upper} of 20 candles of {timeframe}"
