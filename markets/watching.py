"""Who wants which prices and candles: rows with an end, renewed by whoever still wants them. Nothing else is fetched.

Bots and positions renew theirs each round of the dispatcher, pages while somebody looks.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from .models import Instrument, Watch

LASTS = timedelta(minutes=2)


def watch(*, wanted: Iterable[tuple[int, str]], now: datetime, lasts: timedelta = LASTS) -> None:
    """Keep these (instrument id, timeframe or "") coming until `now` + `lasts`. One statement.

    Rows are locked in one order, whoever asks, so that two who want the same never wait for each other.
    """
    rows = [Watch(instrument_id=pk, timeframe=timeframe, until=now + lasts) for pk, timeframe in sorted(set(wanted))]
    if rows:
        Watch.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["instrument", "timeframe"], update_fields=["until"]
        )


def watched(exchange: str, now: datetime) -> tuple[list[Instrument], list[tuple[Instrument, str]]]:
    """The instruments of an exchange whose prices are wanted, and the candle series. One statement."""
    rows = Watch.objects.wanted(exchange, now).select_related("instrument").order_by("instrument", "timeframe")
    series = [(row.instrument, row.timeframe) for row in rows if row.timeframe]
    instruments = {row.instrument_id: row.instrument for row in rows}
    return list(instruments.values()), series


def sweep(now: datetime) -> int:
    """Remove what nobody wants any more."""
    return Watch.objects.filter(until__lt=now - LASTS).delete()[0]
