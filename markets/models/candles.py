"""Stored candles and funding rates. Floats from here to the indicator; a price becomes Decimal at the money.

A stored candle is never changed: it was closed when it came, and everything computed from it relies on that.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
from django.db import connections, models

from markets.domain.candles import Candles
from markets.fields import ExactDecimalField

from .instruments import Instrument

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
Row = tuple[Any, ...]
_CHUNK = 5_000
_ROW = np.dtype([(name, np.int64 if name == "open_time" else np.float64) for name in COLUMNS])


class CandleQuerySet(models.QuerySet["Candle"]):
    def of(self, instrument: Instrument | int, timeframe: str) -> "CandleQuerySet":
        return self.filter(instrument=instrument, timeframe=timeframe)

    def between(self, first: int | None, last: int | None) -> "CandleQuerySet":
        """Open times from `first` to `last`, both included, in UTC ms; None leaves that end open."""
        bounds = {"open_time__gte": first, "open_time__lte": last}
        return self.filter(**{name: bound for name, bound in bounds.items() if bound is not None})

    def columns(self) -> Candles:
        """These candles as arrays, oldest first. All must be of one instrument and timeframe."""
        rows = self.order_by("open_time").values_list(*COLUMNS)
        table = np.fromiter(rows.iterator(chunk_size=5000), dtype=_ROW)
        return Candles(*(np.ascontiguousarray(table[name]) for name in COLUMNS))

    def insert(self, rows: Iterable[Row]) -> None:
        """Add those rows whose key is not stored yet; rows that are there stay as they are."""
        connection = connections[self.db or "default"]
        quote = connection.ops.quote_name
        names = ", ".join(quote(name) for name in ("instrument_id", "timeframe", *COLUMNS))
        row = f"({', '.join(['%s'] * (2 + len(COLUMNS)))})"
        table = quote(self.model._meta.db_table)
        statement = f"INSERT INTO {table} ({names}) VALUES {{}} ON CONFLICT DO NOTHING"
        remaining = iter(rows)
        # Through model objects this takes many times as long. Why PostgreSQL gets no executemany: markets.updates.
        with connection.cursor() as cursor:
            while chunk := list(islice(remaining, _CHUNK)):
                if connection.vendor == "postgresql":
                    cursor.execute(statement.format(", ".join([row] * len(chunk))), list(chain.from_iterable(chunk)))
                else:
                    cursor.executemany(statement.format(row), chunk)


def rows_of(instrument: int, timeframe: str, candles: Candles) -> Iterator[Row]:
    """The rows of these candles as `insert` takes them."""
    columns = (column.tolist() for column in candles.columns())
    return ((instrument, timeframe, *row) for row in zip(*columns, strict=True))


class Candle(models.Model):
    """One closed candle. `open_time` is UTC milliseconds; the key is (instrument, timeframe, open time)."""

    pk = models.CompositePrimaryKey("instrument", "timeframe", "open_time")
    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=4)
    open_time = models.BigIntegerField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(help_text="In units of the base currency.")

    objects = CandleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(low__gt=0, high__gte=models.F("low"), volume__gte=0), name="candle_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.open_time}"


class FundingRate(models.Model):
    """One funding settlement: `rate` is a fraction per interval, positive when longs pay."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    rate = ExactDecimalField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instrument", "at"], name="funding_once")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.at:%Y-%m-%d %H:%M} {self.rate}"
