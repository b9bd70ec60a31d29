"""Writes many rows with one prepared statement: changed fields of stored rows here, candles in their own model.

Django's `bulk_update` builds an expression for every field of every row: milliseconds a row, where this takes
microseconds.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router
from django.db.backends.utils import CursorWrapper


def update_rows(rows: Iterable[models.Model], fields: Sequence[str]) -> None:
    """Store these fields of rows of one model, by their keys. The caller holds the transaction."""
    changed = list(rows)
    if not changed:
        return
    model = type(changed[0])
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    key: Any = model._meta.pk
    written: list[Any] = [model._meta.get_field(name) for name in fields]
    sets = ", ".join(f"{quote(field.column)} = %s" for field in written)
    statement = f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {quote(key.column)} = %s"
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in (*written, key)]
        for row in changed
    ]
    with connection.cursor() as cursor:
        execute_each(cursor, statement, values)


def execute_each(cursor: CursorWrapper, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Execute a statement with each of these rows, the last one by itself; there must be one.

    psycopg sends many in a pipeline, whose last message stops PostgreSQL's clock for idle transactions: a process
    that froze right after it would keep its locks for ever.
    """
    *before, last = rows
    if before:
        cursor.executemany(statement, before)
    cursor.execute(statement, last)
