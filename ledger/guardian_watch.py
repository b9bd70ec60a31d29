"""The guardian's own timer. It sweeps feeds on the wall clock; lock-step feeds call the guardian between instants.

It beats its heart into the cache every round, so that pages can tell a silent guardian from a quiet market.
"""

import threading
from datetime import UTC, datetime

import structlog
from django.core.cache import cache
from django.db import close_old_connections

from markets.models import Feed, FeedKind

from . import guardian, reports

HEARTBEAT = "guardian:heartbeat"
ROUND_SECONDS = 2.0
log = structlog.get_logger(__name__)


def run(ended: threading.Event) -> None:
    """Sweep until `ended`; a failing round is logged and the next one comes all the same."""
    while not ended.wait(ROUND_SECONDS):
        try:
            one_round(datetime.now(UTC))
        except Exception:  # The guardian outlives whatever goes wrong in a round.
            log.exception("guardian_round_failed")
        finally:
            close_old_connections()


def one_round(now: datetime) -> None:
    """Look after every running feed on the wall clock, then beat."""
    for feed in Feed.objects.running().filter(kind=FeedKind.LIVE):
        reports.collect_feed(feed=feed, now=now)
        guardian.sweep(feed=feed, now=now)
    cache.set(HEARTBEAT, now.timestamp(), timeout=None)


def heartbeat() -> datetime | None:
    """When the guardian last finished a round, in wall time."""
    beat = cache.get(HEARTBEAT)
    return None if beat is None else datetime.fromtimestamp(beat, UTC)
