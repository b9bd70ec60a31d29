"""Everything known of the market at one instant: a cursor over shared arrays, nothing copied.

The same snapshot serves a live cycle (the cursor stands at the end) and a backtest (it walks). Windows and
Decimals are made on access only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import inf

from . import indicators
from .candles import TIMEFRAMES, Candles, Floats, milliseconds
from .frozen import quick
from .instruments import InstrumentRules
from .rounding import ONE, ZERO, round_cash


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Unbroken candles of one instrument and timeframe, with each indicator computed at most once.

    All readers of a process share it, so what one bot or page has computed the others find.
    """

    timeframe: str
    candles: Candles
    _memo: dict[str, Floats] = field(default_factory=dict, repr=False)
    # How many candles there are, when the first closed and how long each is: without a hole all others follow.
    _count: int = field(init=False, repr=False)
    _first_close: int = field(init=False, repr=False)
    _step: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        times, step = self.candles.time, TIMEFRAMES[self.timeframe]
        object.__setattr__(self, "_count", len(times))
        object.__setattr__(self, "_first_close", int(times[0]) + step if len(times) else 0)
        object.__setattr__(self, "_step", step)

    def indicator(self, name: str) -> Floats:
        """The whole array of an indicator.

        Raises KeyError for an unknown name, and ValueError with the reason where the candles have a hole or a NaN:
        whoever makes a series leaves them out.
        """
        if (known := self._memo.get(name)) is not None:
            return known
        if not self._memo and (reason := indicators.refusal(self.candles, TIMEFRAMES[self.timeframe])):
            raise ValueError(reason)
        self._memo.update(indicators.family(name, self.candles))
        return self._memo[name]

    def closed_at(self, now: datetime) -> int:
        """How many candles had closed at `now`."""
        return self.closed_by(milliseconds(now))

    def closed_by(self, time: int) -> int:
        """How many candles had closed at `time` (UTC ms)."""
        closed = (time - self._first_close) // self._step + 1
        return self._count if closed >= self._count else max(closed, 0)

    def age_at(self, now: datetime) -> float:
        """Seconds at `now` since the last candle closed; infinite before the first has."""
        since = milliseconds(now) - self._first_close
        closed = since // self._step + 1
        if closed > self._count:
            closed = self._count
        return (since - (closed - 1) * self._step) / 1000 if closed > 0 else inf


@quick
@dataclass(frozen=True, slots=True)
class QuoteView:
    """The newest price of an instrument, as money. `at` is the market time of the price."""

    last: Decimal
    bid: Decimal
    ask: Decimal
    mark: Decimal
    at: datetime
    liquidity: Decimal = Decimal(0)
    funding_rate: Decimal | None = None
    next_funding_at: datetime | None = None

    @classmethod
    def around(
        cls,
        rules: InstrumentRules,
        last: Decimal,
        at: datetime,
        liquidity: Decimal = ZERO,
        funding_rate: Decimal | None = None,
        next_funding_at: datetime | None = None,
    ) -> "QuoteView":
        """The quote of a feed of candles, which knows no book and no mark price.

        Bid and ask are the half spread of the rules away from `last`, rounded outward to the tick; the mark is
        `last`. Replay, simulation and backtest all quote through here, so that they trade alike.
        """
        bid = max(rules.price_down(last * (ONE - rules.half_spread)), rules.tick)
        ask = rules.price_up(last * (ONE + rules.half_spread))
        return cls(last, bid, ask, last, at, round_cash(liquidity), funding_rate, next_funding_at)


@dataclass(frozen=True, slots=True)
class InstrumentView:
    """One instrument at `now`. Series are keyed by timeframe; all reads stop at the last closed candle."""

    rules: InstrumentRules
    quote: QuoteView
    series: Mapping[str, Series]
    now: datetime

    @property
    def symbol(self) -> str:
        return self.rules.symbol

    def _closed(self, series: Series) -> int:
        """How many of its candles have closed."""
        return series.closed_at(self.now)

    @property
    def price_age(self) -> float:
        """Seconds since the price was made."""
        return (self.now - self.quote.at).total_seconds()

    def candle_age(self, timeframe: str) -> float:
        """Seconds since the last candle closed; infinite without one."""
        return self.series[timeframe].age_at(self.now)

    def candles(self, timeframe: str, count: int) -> Candles:
        """The newest `count` closed candles, oldest first; fewer where there are not so many."""
        series = self.series[timeframe]
        closed = self._closed(series)
        return series.candles[max(0, closed - count) : closed]

    def recent(self, timeframe: str, name: str, count: int) -> Floats:
        """The values at the newest `count` closed candles, oldest first; NaN before the warm-up, fewer at the start."""
        series = self.series[timeframe]
        closed = self._closed(series)
        return series.indicator(name)[max(0, closed - count) : closed]

    def newest(self, timeframe: str, names: Sequence[str], count: int) -> list[list[float]]:
        """The same of several indicators, as numbers of Python."""
        series = self.series[timeframe]
        closed = self._closed(series)
        first = max(0, closed - count)
        return [series.indicator(name)[first:closed].tolist() for name in names]

    def indicator(self, timeframe: str, name: str, back: int = 0) -> float | None:
        """The value at the last closed candle (or `back` candles before); None before the warm-up."""
        series = self.series[timeframe]
        index = self._closed(series) - 1 - back
        if index < 0:
            return None
        value = float(series.indicator(name)[index])
        return None if value != value else value  # NaN alone differs from itself.


@quick
@dataclass(frozen=True, slots=True)
class Snapshot:
    """All instruments of a bot at one instant, keyed by symbol."""

    now: datetime
    instruments: Mapping[str, InstrumentView]

    def __getitem__(self, symbol: str) -> InstrumentView:
        return self.instruments[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self.instruments
