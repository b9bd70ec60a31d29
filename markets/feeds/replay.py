"""A feed of stored candles: what happened on an exchange, told again instant by instant.

It reads ahead in large pieces and looks at nothing beyond the instant it is asked for. An instrument without a
candle at an instant has no new price there: its quote ages.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q

from markets.domain.candles import TIMEFRAMES, instant, milliseconds
from markets.domain.venue_state import Bar
from markets.models import Candle, Feed, FundingRate, Instrument
from markets.models.candles import COLUMNS

from .base import Prices, next_settlement

# Candles of each instrument that are read at once: half a day of minutes.
_AHEAD = 720


@dataclass(frozen=True, slots=True)
class _Piece:
    """Candles as (open, high, low, close, volume) by open time and instrument, funding by settlement time."""

    candles: Mapping[int, Mapping[int, Sequence[float]]]
    funding: Mapping[int, Mapping[int, Decimal]]


class ReplayFeed:
    """See `LockStepFeed`. The timeframe of its step is the finest that is stored in its period."""

    generates: bool = False

    def __init__(self, feed: Feed) -> None:
        self._step = feed.step_seconds * 1000
        self.timeframe = next(name for name, length in TIMEFRAMES.items() if length == self._step)
        self._ends_at = feed.ends_at
        listed = Instrument.objects.filter(exchange=feed.exchange).order_by("symbol")
        self.instruments: Sequence[Instrument] = list(listed)
        self._by_id = {instrument.pk: instrument for instrument in self.instruments}
        self._pieces: dict[int, _Piece] = {}

    def bars(self, at: datetime, opens: Prices) -> Mapping[int, Bar]:
        return {pk: Bar.of(row[:4], row[4], self._by_id[pk].rules) for pk, row in self._candles(at).items()}

    def opens(self, at: datetime, closes: Prices) -> Prices:
        if self.ended(at):
            # No further candle will come: what is held is worth the last close.
            return closes
        return {pk: self._by_id[pk].rules.price(float(row[0])) for pk, row in self._candles(at).items()}

    def funding(self, at: datetime) -> Prices:
        """All rates settled after the instant before and up to `at`, added up where a step spans several."""
        end = milliseconds(at)
        due: dict[int, Decimal] = defaultdict(Decimal)
        for piece in {id(p): p for p in (self._piece(end - self._step), self._piece(end))}.values():
            for settled, rates in piece.funding.items():
                if end - self._step < settled <= end:
                    for pk, rate in rates.items():
                        due[pk] += rate
        return due

    def next_funding(self, instrument: Instrument, at: datetime) -> datetime | None:
        return next_settlement(instrument, at)

    def ended(self, at: datetime) -> bool:
        return self._ends_at is not None and at >= self._ends_at

    def _candles(self, at: datetime) -> Mapping[int, Sequence[float]]:
        time = milliseconds(at)
        return self._piece(time).candles.get(time, {})

    def _piece(self, time: int) -> _Piece:
        index = time // (self._step * _AHEAD)
        if index not in self._pieces:
            # The one before is still asked for at the border.
            self._pieces = {i: piece for i, piece in self._pieces.items() if i == index - 1}
            self._pieces[index] = self._read(index * self._step * _AHEAD)
        return self._pieces[index]

    def _read(self, first: int) -> _Piece:
        end = first + self._step * _AHEAD
        if self._ends_at is not None:
            end = min(end, milliseconds(self._ends_at))
        ours = Q(instrument__in=self._by_id)
        candles: dict[int, dict[int, Sequence[float]]] = defaultdict(dict)
        rows = Candle.objects.filter(ours, timeframe=self.timeframe, open_time__range=(first, end - 1))
        for pk, time, *prices in rows.values_list("instrument", *COLUMNS):
            candles[time][pk] = prices
        funding: dict[int, dict[int, Decimal]] = defaultdict(dict)
        last = instant(first + self._step * _AHEAD) - timedelta(milliseconds=1)
        for pk, at, rate in FundingRate.objects.filter(ours, at__range=(instant(first), last)).values_list(
            "instrument", "at", "rate"
        ):
            funding[milliseconds(at)][pk] = rate
        return _Piece(candles, funding)
