"""Stored candles as arrays, by the shortest way of each database: a reader for PostgreSQL, one for SQLite.

A row as Python objects costs more than everything else about it. So PostgreSQL hands over each stretch as one value;
SQLite has no such way, and its rows go from the driver into one array. Both give the same digits, oldest first.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any, Protocol

import numpy as np
from django.db.backends.base.base import BaseDatabaseWrapper

from markets.domain.candles import Candles

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
Stretch = tuple[int, str, int, int]  # instrument id, timeframe, first and last open time (UTC ms, both included)
FOREVER = 2**42  # UTC ms; in the year 2109
_NAMES = ", ".join(COLUMNS)


class Reader(Protocol):
    """Reads one table of candles. Results are oldest first."""

    def __init__(self, connection: BaseDatabaseWrapper, table: str) -> None: ...

    def stretch(self, asked: Stretch) -> Candles:
        """One stretch of any length."""

    def stretches(self, asked: Sequence[Stretch]) -> list[Candles]:
        """Each of these stretches, in one statement."""

    def newest(self, asked: Stretch, count: int) -> Candles:
        """The last `count` candles of a stretch."""


def reader(connection: BaseDatabaseWrapper, table: str) -> Reader:
    return (PackedReader if connection.vendor == "postgresql" else RowReader)(connection, table)


class _Reader:
    def __init__(self, connection: BaseDatabaseWrapper, table: str) -> None:
        self._connection = connection
        self._where = (
            f"FROM {table} WHERE instrument_id = %s AND timeframe = %s AND open_time BETWEEN %s AND %s"
            " ORDER BY open_time"
        )
        self._of_asked = (
            f"FROM {table} WHERE instrument_id = asked.instrument AND timeframe = asked.frame"
            " AND open_time BETWEEN asked.begins AND asked.ends"
        )

    def _fetched(self, statement: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, params)
            return cursor.fetchall()


class PackedReader(_Reader):
    """PostgreSQL: the rows of a stretch come as one value, each as its numbers with the highest byte first."""

    AT_ONCE = 50_000  # rows of a value: the server holds it in memory
    _LAYOUT = np.dtype([(name, ">i8" if name == "open_time" else ">f8") for name in COLUMNS])
    _SENT = " || ".join(f"{'int8' if name == 'open_time' else 'float8'}send({name})" for name in COLUMNS)
    # An order inside of the aggregate would sort what the key has sorted already; that it stands is looked at later.
    _PACKED = f"SELECT string_agg({_SENT}, ''::bytea) FROM (SELECT {_NAMES} {{}}) AS part"
    _ASKED = (
        "FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[]) WITH ORDINALITY"
        " AS asked (instrument, frame, begins, ends, number) ORDER BY number"
    )

    def stretch(self, asked: Stretch) -> Candles:
        return _joined(list(self._parts(asked)))

    def _parts(self, asked: Stretch) -> Iterator[Candles]:
        statement = self._PACKED.format(f"{self._where} LIMIT {self.AT_ONCE}")
        *key, begins, ends = asked
        while True:
            yield (part := self._unpacked(self._fetched(statement, [*key, begins, ends])[0][0]))
            if len(part) < self.AT_ONCE:
                return
            begins = int(part.time[-1]) + 1

    def stretches(self, asked: Sequence[Stretch]) -> list[Candles]:
        # Not a UNION: its many parts would make the server start workers for a read of milliseconds.
        each = self._PACKED.format(f"{self._of_asked} ORDER BY open_time")
        rows = self._fetched(f"SELECT ({each}) {self._ASKED}", [list(column) for column in zip(*asked, strict=True)])
        return [self._unpacked(packed) for (packed,) in rows]

    def newest(self, asked: Stretch, count: int) -> Candles:
        statement = self._PACKED.format(f"{self._where} DESC LIMIT %s")
        return self._unpacked(self._fetched(statement, [*asked, count])[0][0])

    def _unpacked(self, packed: bytes | None) -> Candles:
        """None stands for no rows."""
        table = np.frombuffer(packed or b"", self._LAYOUT)
        time = table["open_time"].astype(np.int64)
        if len(time) > 1 and not (np.diff(time) > 0).all():
            order = np.argsort(time)
            table, time = table[order], time[order]
        return Candles(time, *(table[name].astype(np.float64) for name in COLUMNS[1:]))


class RowReader(_Reader):
    """SQLite: the rows of all stretches in one array. Its first number tells the stretch as well as the time."""

    AT_MOST = 2**10  # stretches of a statement: with it the number stays exact in a float

    def stretch(self, asked: Stretch) -> Candles:
        return _candles(_table(self._fetched(f"SELECT {_NAMES} {self._where}", asked)))

    def stretches(self, asked: Sequence[Stretch]) -> list[Candles]:
        found: list[Candles] = []
        for start in range(0, len(asked), self.AT_MOST):
            found += self._together(asked[start : start + self.AT_MOST])
        return found

    def _together(self, asked: Sequence[Stretch]) -> list[Candles]:
        names = f"number * {FOREVER} + {_NAMES}"
        given = ", ".join(["(%s, %s, %s, %s, %s)"] * len(asked))
        rows = self._fetched(
            f"WITH asked (number, instrument, frame, begins, ends) AS (VALUES {given})"
            f" SELECT {names} {self._of_asked.replace('FROM', 'FROM asked CROSS JOIN', 1)}",
            [value for number, stretch in enumerate(asked) for value in (number, *stretch)],
        )
        table = _table(rows)
        if len(table) > 1 and not (np.diff(table[:, 0]) > 0).all():
            table = table[np.argsort(table[:, 0])]
        ends = np.searchsorted(table[:, 0], np.arange(len(asked) + 1) * FOREVER).tolist()
        candles = _candles(table)
        candles.time[:] %= FOREVER
        return [candles[begin:end] for begin, end in pairwise(ends)]

    def newest(self, asked: Stretch, count: int) -> Candles:
        return _candles(_table(self._fetched(f"SELECT {_NAMES} {self._where} DESC LIMIT %s", [*asked, count]))[::-1])


def _table(rows: list[tuple[Any, ...]]) -> np.ndarray[Any, Any]:
    """Rows of the driver as one array."""
    packed = struct.pack(f"{len(rows) * len(COLUMNS)}d", *chain.from_iterable(rows))
    return np.frombuffer(packed).reshape(-1, len(COLUMNS))


def _candles(table: np.ndarray[Any, Any]) -> Candles:
    time, *prices = table.T.copy()
    return Candles(time.astype(np.int64), *prices)


def _joined(parts: list[Candles]) -> Candles:
    if len(parts) == 1:
        return parts[0]
    columns = (np.concatenate(column) for column in zip(*(part.columns() for part in parts), strict=True))
    return Candles(*columns)
