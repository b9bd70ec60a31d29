"""Writes many rows with one statement: changed fields of stored rows here, candles in their own model.

Django's `bulk_update` builds an expression for every field of every row: milliseconds a row, where this takes
microseconds. On PostgreSQL it is one statement and no `executemany`: psycopg would send a pipeline, whose last message
stops the server's clock for idle transactions, and a process that froze right then would keep its locks for ever.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router

# A cast to a length would cut what is too long, where an assignment refuses it.
_LENGTH = re.compile(r"\(.*\)")


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
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in (*written, key)]
        for row in changed
    ]
    table, columns = quote(model._meta.db_table), [quote(field.column) for field in (*written, key)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            types = [_LENGTH.sub("", field.db_type(connection) or "") for field in (*written, key)]
            sets = ", ".join(f"{column} = given.{column}" for column in columns[:-1])
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM (VALUES {marks(len(values), types)}) AS given ({', '.join(columns)})"
                f" WHERE {table}.{columns[-1]} = given.{columns[-1]}",
                [value for row in values for value in row],
            )
        else:
            sets = ", ".join(f"{column} = %s" for column in columns[:-1])
            cursor.executemany(f"UPDATE {table} SET {sets} WHERE {columns[-1]} = %s", values)


def marks(rows: int, types: Sequence[str]) -> str:
    """The place holders of so many rows whose columns have these types of PostgreSQL."""
    row = ", ".join(f"%s::{kind}" for kind in types)
    return ", ".join([f"({row})"] * rows)
