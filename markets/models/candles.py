"""Stored candles, mark prices and funding rates. Floats from here to the indicator; a price is Decimal at the money.

A stored candle is never changed: it was closed when it came, and everything computed from it relies on that.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from markets.domain.candles import Candles
from markets.fields import ExactDecimalField

from .candle_reads import COLUMNS, FOREVER, Reader, Stretch, reader
from .instruments import Instrument

Row = tuple[Any, ...]
_CHUNK = 5_000
# From so many rows on PostgreSQL is given a table of bytes: its INSERT takes eight times as long.
MANY = 500
_SIGNATURE, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class CandleQuerySet(models.QuerySet[Any]):
    def of(self, instrument: Instrument | int, timeframe: str) -> "CandleQuerySet":
        return self.filter(instrument=instrument, timeframe=timeframe)

    def between(self, first: int | None, last: int | None) -> "CandleQuerySet":
        """Open times from `first` to `last`, both included, in UTC ms; None leaves that end open."""
        bounds = {"open_time__gte": first, "open_time__lte": last}
        return self.filter(**{name: bound for name, bound in bounds.items() if bound is not None})

    def stretch(self, instrument: int, timeframe: str, first: int | None = None, last: int | None = None) -> Candles:
        """The candles that opened from `first` to `last` (UTC ms, both included), oldest first; None leaves open."""
        return self._reader.stretch(_stretch(instrument, timeframe, first, last))

    def stretches(self, asked: Sequence[Stretch]) -> list[Candles]:
        """The candles of each stretch, oldest first: one statement for all of them."""
        return self._reader.stretches(asked)

    def newest(self, instrument: int, timeframe: str, count: int, last: int | None = None) -> Candles:
        """The newest `count` candles that opened at `last` (UTC ms) or before, oldest first; fewer at the start."""
        return self._reader.newest(_stretch(instrument, timeframe, None, last), count)

    @property
    def _reader(self) -> Reader:
        return reader(connections[self.db], self.model._meta.db_table)

    def insert(self, rows: Iterable[Row]) -> None:
        """Add those rows whose key is not stored yet; rows that are there stay as they are."""
        connection = connections[self.db or "default"]
        row = f"({', '.join(['%s'] * (2 + len(COLUMNS)))})"
        statement = f"{self._insertion(connection)} VALUES {{}} ON CONFLICT DO NOTHING"
        remaining = iter(rows)
        # Through model objects this takes many times as long. Why PostgreSQL gets no executemany: markets.updates.
        with connection.cursor() as cursor:
            while chunk := list(islice(remaining, _CHUNK)):
                if connection.vendor == "postgresql":
                    cursor.execute(statement.format(", ".join([row] * len(chunk))), list(chain.from_iterable(chunk)))
                else:
                    cursor.executemany(statement.format(row), chunk)

    def add(self, instrument: int, timeframe: str, candles: Candles) -> None:
        """Like `insert`, for candles of one instrument and timeframe. The caller holds a transaction."""
        connection = connections[self.db or "default"]
        if connection.vendor != "postgresql" or len(candles) < MANY:
            self.insert(rows_of(instrument, timeframe, candles))
            return
        columns = ", ".join(f"{name} {'bigint' if name == 'open_time' else 'float8'}" for name in COLUMNS)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE given ({columns}) ON COMMIT DROP")
            with cursor.copy("COPY given FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(_SIGNATURE + _bytes(candles) + _END)
            insertion = f"{self._insertion(connection)} SELECT %s, %s, given.* FROM given ON CONFLICT DO NOTHING"
            cursor.execute(insertion, [instrument, timeframe])
            cursor.execute("DROP TABLE given")

    def analyze(self) -> None:
        """Tell the planner of PostgreSQL of many new rows: until it knows, it sorts them to find the newest."""
        connection = connections[self.db or "default"]
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"ANALYZE {connection.ops.quote_name(self.model._meta.db_table)}")

    def _insertion(self, connection: BaseDatabaseWrapper) -> str:
        quote = connection.ops.quote_name
        names = ", ".join(quote(name) for name in ("instrument_id", "timeframe", *COLUMNS))
        return f"INSERT INTO {quote(self.model._meta.db_table)} ({names})"


def _stretch(instrument: int, timeframe: str, first: int | None, last: int | None) -> Stretch:
    return instrument, timeframe, 0 if first is None else first, FOREVER - 1 if last is None else last


def _bytes(candles: Candles) -> bytes:
    """The rows in the binary format of PostgreSQL's COPY: a count of fields, then each with its length before it."""
    layout: list[tuple[str, str]] = [("fields", ">i2")]
    for name in COLUMNS:
        layout += [(f"{name} length", ">i4"), (name, ">i8" if name == "open_time" else ">f8")]
    table = np.empty(len(candles), np.dtype(layout))
    table["fields"] = len(COLUMNS)
    for name, column in zip(COLUMNS, candles.columns(), strict=True):
        table[f"{name} length"], table[name] = 8, column
    return table.tobytes()


def rows_of(instrument: int, timeframe: str, candles: Candles) -> Iterator[Row]:
    """The rows of these candles as `insert` takes them."""
    columns = (column.tolist() for column in candles.columns())
    return ((instrument, timeframe, *row) for row in zip(*columns, strict=True))


class CandleRow(models.Model):
    """`open_time` is UTC milliseconds; the key is (instrument, timeframe, open time)."""

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
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=models.Q(low__gt=0, high__gte=models.F("low"), volume__gte=0), name="%(class)s_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.open_time}"


class Candle(CandleRow):
    """One closed candle of what was traded."""


class MarkCandle(CandleRow):
    """One closed candle of the mark price, by which margin and funding are reckoned; its volume is zero."""


class FundingRate(models.Model):
    """One funding settlement: `rate` is a fraction per interval, positive when longs pay."""

    instrument = models.ForeignKey(Instrument, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    rate = ExactDecimalField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["instrument", "at"], name="funding_once")]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.at:%Y-%m-%d %H:%M} {self.rate}"
