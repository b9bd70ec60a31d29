"""The guardian's own timer. It sweeps feeds on the wall clock; lock-step feeds call the guardian between instants.

It beats its heart into the database every round, so that pages of any process can tell a silent guardian from a
quiet market. It needs the database and the venues, and nothing else.
"""

import threading
from datetime import UTC, datetime

import structlog
from django.db import close_old_connections

from markets.models import Feed, FeedKind

from . import guardian, heartbeats, reports

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
    heartbeats.beat(name=heartbeats.GUARDIAN, now=now)
