"""Trend following: with the 20 and 50 candle averages apart and the ADX high enough, on the side of the averages."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.levels import atr_away, swing_stop
from bots.domain.policy import Policy
from bots.domain.significant import decimal
from markets.domain.rounding import ZERO
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class Reading:
    """The averages, the strength and the noise of one instrument at the last closed candle."""

    fast: float
    slow: float
    adx: float
    atr: float

    @property
    def long(self) -> bool:
        return self.fast > self.slow


@dataclass(frozen=True, slots=True)
class Trend:
    """Enters with the trend of the middle timeframe, leaves when its averages cross back.

    The stop is `stop_atr` average true ranges away, or with `swing` beyond the extreme of so many last candles; the
    target is further by `target_atr` over `stop_atr`.
    """

    name: ClassVar[str] = "house:trend"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Follows EMA 20 over or under EMA 50 when the ADX shows a trend; ATR stop and target."

    min_adx: float = 20.0
    stop_atr: float = 2.0
    target_atr: float = 3.0
    swing: int = 0

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        timeframe = proposals.middle(briefing.timeframes)
        readings = {symbol: _read(view, timeframe) for symbol, view in briefing.snapshot.instruments.items()}
        wanted = [symbol for symbol, reading in readings.items() if reading and self._enters(briefing, symbol, reading)]
        strongest = sorted(wanted, key=lambda symbol: -_adx(readings[symbol]))
        chosen = set(strongest[: proposals.places(briefing)])
        items = [
            self._item(briefing, view, timeframe, readings[symbol], symbol in chosen)
            for symbol, view in briefing.snapshot.instruments.items()
        ]
        trending = sum(1 for reading in readings.values() if reading and reading.adx >= self.min_adx)
        summary = f"{trending} of {len(readings)} instruments trend on {timeframe} (ADX at least {self.min_adx:g})."
        return proposals.answer(summary, items)

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        timeframe = proposals.middle(timeframes)
        found = {}
        for symbol, one in past.items():
            up = one.indicator(timeframe, "ema_20") > one.indicator(timeframe, "ema_50")
            strong = one.indicator(timeframe, "adx_14") >= self.min_adx
            found[symbol] = Foresight(timeframe, flat=strong, long=~up, short=up)
        return found

    def _enters(self, briefing: Briefing, symbol: str, reading: Reading) -> bool:
        return proposals.free(briefing, symbol) and reading.adx >= self.min_adx

    def _item(
        self, briefing: Briefing, view: InstrumentView, timeframe: str, reading: Reading | None, chosen: bool
    ) -> Raw:
        symbol = view.symbol
        if reading is None:
            return proposals.hold(symbol, f"Not enough candles of {timeframe} for the averages yet.")
        words = _words(view, timeframe, reading)
        held = briefing.portfolio.position(symbol)
        conviction = min(0.9, 0.5 + reading.adx / 100)
        if held is not None and held.quantity and held.long != reading.long:
            return proposals.close(symbol, conviction, f"The averages have crossed back: {words}.")
        if held is not None:
            return proposals.hold(symbol, f"The trend still holds: {words}.")
        if not chosen:
            return proposals.hold(symbol, f"No entry: {words}; {self._why_not(briefing, symbol, reading)}.")
        return proposals.entry(
            briefing,
            view,
            long=reading.long,
            conviction=conviction,
            distance=self._distance(view, timeframe, reading.long),
            reward=self.target_atr / self.stop_atr,
            reason=f"Trend {'up' if reading.long else 'down'}: {words}; stop {self._where()}.",
        )

    def _distance(self, view: InstrumentView, timeframe: str, long: bool) -> Decimal:
        """Of the stop from the mark; zero where the price has run through the swing already."""
        edge = swing_stop(view, timeframe, self.swing, long) if self.swing > 0 else None
        if edge is None:
            return atr_away(view, timeframe, decimal(self.stop_atr)) or ZERO
        return max(view.quote.mark - edge if long else edge - view.quote.mark, ZERO)

    def _where(self) -> str:
        return f"beyond the last {self.swing} candles" if self.swing > 0 else f"{self.stop_atr:g} ATR away"

    def _why_not(self, briefing: Briefing, symbol: str, reading: Reading) -> str:
        if reading.adx < self.min_adx:
            return f"the ADX is below {self.min_adx:g}"
        if not proposals.free(briefing, symbol):
            return "the instrument is not free"
        return "there is no free place" if briefing.state == "active" else "only exits are allowed"


def _read(view: InstrumentView, timeframe: str) -> Reading | None:
    values = [view.indicator(timeframe, name) for name in ("ema_20", "ema_50", "adx_14", "atr_14")]
    known = [value for value in values if value is not None]
    return Reading(*known) if len(known) == len(values) else None


def _adx(reading: Reading | None) -> float:
    return reading.adx if reading else 0.0


def _words(view: InstrumentView, timeframe: str, reading: Reading) -> str:
    fast, slow = proposals.at_tick(view, reading.fast), proposals.at_tick(view, reading.slow)
    side = "above" if reading.long else "below"
    return f"EMA20 {fast} {side} EMA50 {slow} on {timeframe}, ADX {reading.adx:.0f}"
