"""Who drives a lock-step feed: one process at a time, by a lease in the database that it renews.

Whoever holds the lease may step the market and work on what hangs on it; for everybody else it stands still.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep
from uuid import uuid4

from django.db.models import Q

from .models import Feed

LEASE = timedelta(seconds=10)
PATIENCE_SECONDS = 15.0


class Busy(Exception):
    """Another process drives the feed and does not pause."""


@contextmanager
def lease(feed: Feed) -> Iterator[bool]:
    """Hold a feed for this process; False where another holds it. The feed is fresh inside."""
    holder, wall = uuid4().hex, datetime.now(UTC)
    free = Feed.objects.filter(pk=feed.pk).filter(Q(lease_until__isnull=True) | Q(lease_until__lt=wall))
    held = bool(free.update(lease_holder=holder, lease_until=wall + LEASE))
    if held:
        feed.refresh_from_db()
    try:
        yield held
    finally:
        Feed.objects.filter(pk=feed.pk, lease_holder=holder).update(lease_holder="", lease_until=None)


def renew(feed: Feed, *, sure: bool = False) -> bool:
    """Keep the lease; False where it was lost to another process. A feed that is driven without one keeps none.

    While more than half of its time is left memory answers, unless the caller must be `sure`.
    """
    if not feed.lease_holder:
        return True
    left = feed.lease_until - datetime.now(UTC) if feed.lease_until else timedelta(0)
    if left > LEASE / 2 and not sure:
        return True
    until = datetime.now(UTC) + LEASE
    kept = Feed.objects.filter(pk=feed.pk, lease_holder=feed.lease_holder).update(lease_until=until)
    if kept:
        feed.lease_until = until
    return bool(kept)


@contextmanager
def held(feed: Feed, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold a feed as soon as its driver pauses between two rounds. Raises Busy after `patience` seconds."""
    until = monotonic() + patience
    while True:
        with lease(feed) as mine:
            if mine:
                yield
                return
        if monotonic() > until:
            raise Busy(f"The market {feed.name} is driven by another process that does not pause; try again.")
        sleep(0.02)
