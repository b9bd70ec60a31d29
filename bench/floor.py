"""The floor of everything that talks to a database: the same statements through the bare driver.

What the product sends is written down once, with its transactions, and replayed on a copy of the database that was
made just before. So the floor holds the database's own work and its commits, and nothing of ours.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import psycopg

from .places import Place, address

BOUNDARIES = ("BEGIN", "COMMIT", "ROLLBACK")


@dataclass(frozen=True, slots=True)
class Sent:
    """One statement as the driver was given it; `many` where it was given a list of parameters."""

    sql: str
    params: Any = None
    many: bool = False


@contextmanager
def written_down() -> Iterator[list[Sent]]:
    """Everything that this process sends to its database meanwhile, in order."""
    from django.db import connection

    calls: list[Sent] = []
    sent: list[Sent] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        calls.append(Sent(sql, list(params) if many else params, many))
        return execute(sql, calls[-1].params, many, context)

    connection.queries_log.clear()
    connection.force_debug_cursor = True
    try:
        with connection.execute_wrapper(note):
            yield sent
    finally:
        connection.force_debug_cursor = False
        rest = iter(calls)
        # Only the log knows of commits, only the wrapper of parameters.
        texts = (entry["sql"] for entry in connection.queries_log)
        sent.extend(Sent(text) if text in BOUNDARIES else next(rest) for text in texts)


def replay(place: Place, rounds: Sequence[Sequence[Sent]]) -> list[float]:
    """Milliseconds of each round of statements through the driver alone."""
    run = _on_sqlite(place) if place.kind == "SQLite" else _on_postgres(place)
    return [timed(lambda: [run(one) for one in statements]) for statements in rounds]  # noqa: B023


def timed(work: Any) -> float:
    """Milliseconds of wall time."""
    begun = perf_counter()
    work()
    return (perf_counter() - begun) * 1000


def _on_sqlite(place: Place) -> Any:
    from django.db import connection

    settings = connection.settings_dict["OPTIONS"]
    driver = sqlite3.connect(place.database, isolation_level=None, timeout=settings["timeout"])
    driver.executescript(settings["init_command"])

    def run(one: Sent) -> None:
        sql = one.sql if one.params is None else one.sql.replace("%s", "?").replace("%%", "%")
        if one.many:
            driver.executemany(sql, one.params)
        else:
            driver.execute(sql, one.params or ()).fetchall()

    return run


def _on_postgres(place: Place) -> Any:
    url = address(place.database).replace("postgres://", "postgresql://", 1)
    driver = psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor)
    cursor = driver.cursor()

    def run(one: Sent) -> None:
        if one.many:
            cursor.executemany(one.sql, one.params)
            return
        cursor.execute(one.sql, one.params)
        if cursor.description is not None:
            cursor.fetchall()

    return run
