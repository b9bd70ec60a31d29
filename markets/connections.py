"""How this thread uses its database connection: given back before a wait, and held at one moment for a reading.

A pool has far fewer connections than a worker has threads, so one that is held over a wait (for a model, a venue or
another cycle) starves the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


def release() -> None:
    """Give the connection back to the pool; the next statement takes one again.

    Inside a transaction nothing happens. SQLite has no pool, and an idle connection to a file costs nothing.
    """
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()


@contextmanager
def one_moment() -> Iterator[None]:
    """What is read inside is of one moment, whatever others commit meanwhile: cash and positions belong together.

    It is for reading alone, and waits for nobody. Inside a transaction nothing happens.
    """
    if connection.in_atomic_block:
        yield
        return
    with _without_write_lock(), transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _without_write_lock() -> Iterator[None]:
    """On SQLite a transaction that begins here takes the lock of writers only where it writes."""
    connection.ensure_connection()  # which sets the mode
    mode = getattr(connection, "transaction_mode", None)
    connection.transaction_mode = None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = mode  # type: ignore[attr-defined]
