"""Looks at the running product for the laboratory: between two instants of its market, or at any moment.

Before it looks between instants, what the venue has reported is booked, as the next instant would do it. Nothing
else is touched. The servers may just have been restarted, so every look is `reliably` repeated until they answer.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection

from bots import dispatch
from markets import driving
from markets.models import Feed

from . import endings, invariants

PATIENCE = 60.0
LONGEST_TRANSACTION = "20 seconds"

Answer = TypeVar("Answer")


def look() -> list[str]:
    """Hold the market between two instants and name everything that is amiss."""
    feed = Feed.objects.get()
    Feed.objects.filter(pk=feed.pk).update(running=False)
    try:
        with driving.held(feed, PATIENCE):
            if pending := list(endings.unended(feed)):
                return pending
            dispatch.settle(feed)
            return [*invariants.broken(feed), *long_transactions()]
    except driving.Busy:
        return ["Somebody held the market for longer than any lease lasts."]
    finally:
        Feed.objects.filter(pk=feed.pk).update(running=True)


def unprotected() -> list[str]:
    """Positions without a stop at this moment, wherever the market is."""
    return list(invariants.uncovered(Feed.objects.get()))


def newest_cycle() -> int:
    return int(query("select coalesce(max(id), 0) from bots_cycle")[0][0])


def idle(since: int) -> list[str]:
    """The running bots that have not ended a cycle in order that is newer than `since`, with their newest one."""
    found = query(
        "select b.name, (select format('%s %s %s', c.id, c.status, c.error) from bots_cycle c"
        " where c.bot_id = b.id order by c.id desc limit 1)"
        " from bots_bot b where status = 'running' and not exists (select 1 from bots_cycle c"
        f" where c.bot_id = b.id and c.status = 'done' and c.id > {since})"
    )
    return [f"{name} has not run again; its newest cycle is {newest}." for name, newest in found]


def heart(name: str) -> float:
    """When a part of the product last gave a sign of life, as a Unix time; 0 where it never did."""
    found = query(f"select extract(epoch from at) from ledger_heartbeat where name = '{name}'")
    return float(found[0][0]) if found else 0.0


def long_transactions() -> list[str]:
    """Transactions that somebody has forgotten."""
    found = query(
        "select state, now() - xact_start from pg_stat_activity where datname = current_database()"
        f" and pid <> pg_backend_pid() and xact_start < now() - interval '{LONGEST_TRANSACTION}'"
    )
    return [f"A transaction has been open for {age} ({state})." for state, age in found]


def blocked() -> list[str]:
    """Who waits for whose lock: what to look at where something does not go on."""
    found = query(
        "select w.pid, left(w.query, 90), b.pid, b.state, b.wait_event, now() - b.state_change, left(b.query, 90)"
        " from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) as x(pid), pg_stat_activity b where b.pid = x.pid"
    )
    return [
        f"{w} («{asks}») waits for {b}, {' '.join(map(str, how))} after «{last}»" for w, asks, b, *how, last in found
    ]


def query(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def reliably(call: Callable[[], Answer]) -> Answer:
    """Call until the database answers: it may just have been restarted."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
