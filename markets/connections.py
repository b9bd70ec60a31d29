"""Gives this thread's database connection back before a wait: for a model, a venue, or another cycle.

A pool has far fewer connections than a worker has threads, so one that is held over a wait starves the others.
"""

from django.db import connection


def release() -> None:
    """Give the connection back to the pool; the next statement takes one again.

    Inside a transaction nothing happens. SQLite has no pool, and an idle connection to a file costs nothing.
    """
    if connection.vendor != "sqlite" and not connection.in_atomic_block:
        connection.close()
