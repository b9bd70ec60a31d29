"""Which candles are stored, for who has to choose among them. One statement, a few places of an index each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from markets.domain.candles import TIMEFRAMES, instant
from markets.models import Candle, Instrument

MOST = 300


@dataclass(frozen=True, slots=True)
class Stored:
    """An instrument with the first and the end of the last candle of each timeframe that is stored, finest first."""

    instrument: Instrument
    ranges: Mapping[str, tuple[datetime, datetime]]

    @property
    def shown(self) -> tuple[datetime, datetime]:
        """Of the finest timeframe, which a backtest trades through; others may go further back."""
        return next(iter(self.ranges.values()))


def stored() -> list[Stored]:
    """Every instrument with candles, by exchange and symbol."""
    rows = Instrument.objects.order_by("exchange", "symbol")
    for place, timeframe in enumerate(TIMEFRAMES):
        times = Candle.objects.filter(instrument=OuterRef("pk"), timeframe=timeframe).order_by("open_time")
        first, last = times.values("open_time")[:1], times.order_by("-open_time").values("open_time")[:1]
        rows = rows.annotate(**{f"first_{place}": Subquery(first), f"last_{place}": Subquery(last)})
    found = [Stored(instrument, _ranges(instrument)) for instrument in rows[:MOST]]
    return [one for one in found if one.ranges]


def _ranges(instrument: Instrument) -> dict[str, tuple[datetime, datetime]]:
    places = {timeframe: place for place, timeframe in enumerate(TIMEFRAMES)}
    return {
        timeframe: (
            instant(getattr(instrument, f"first_{place}")),
            instant(getattr(instrument, f"last_{place}") + TIMEFRAMES[timeframe]),
        )
        for timeframe, place in places.items()
        if getattr(instrument, f"first_{place}") is not None
    }
