"""A round on a live feed: what venues reported is booked, plans are enforced, and the bots that are due now run.

Nothing waits for anything here: a cycle that is under way goes on while the market moves. A slot that is missed is
counted and not made up for; after an outage each bot runs once, for its latest slot.
"""

from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from ledger import valuation
from markets.driving import lease
from markets.feeds import clock
from markets.models import Feed, FeedKind

from . import dispatch, watching
from .claiming import claim_due
from .dispatch import Enqueue
from .models import Cycle, CycleStatus

# A slot begins when its candles are there: exchanges give a closed candle a moment after its time.
CANDLES_COME = timedelta(seconds=2)
NEW = timedelta(seconds=2)
WATCH_SECONDS = 5.0
_last: dict[tuple[str, int], float] = {}
log = structlog.get_logger(__name__)


def tick(*, enqueue: Enqueue) -> int:
    """A round on every running live feed; gives how many this process looked after."""
    feeds = Feed.objects.running().filter(kind=FeedKind.LIVE).order_by("id")
    looked_after = 0
    for feed in feeds:
        try:
            looked_after += look_after(feed=feed, enqueue=enqueue)
        except Exception:  # The other markets go on.
            log.exception("live_feed_failed", feed=feed.pk)
    return looked_after


def look_after(*, feed: Feed, enqueue: Enqueue) -> int:
    """One round; 0 where another process is at it."""
    with lease(feed) as held:
        if not held:
            return 0
        now = clock.now(feed)
        if _time_for("watch", feed, WATCH_SECONDS):
            watching.renew(feed=feed, now=now)
        dispatch.in_doubt(feed)  # of our own venue; what is in doubt across a network is the guardian's
        dispatch.settle(feed)
        hand_over_due(feed=feed, now=now, enqueue=enqueue)
        dispatch.end_overdue(feed)
        record_equity(feed=feed, now=now)
    return 1


def hand_over_due(*, feed: Feed, now: datetime, enqueue: Enqueue) -> int:
    """Queue the cycles due and send a message for each; what no worker has begun is sent again now and then.

    So is what a person has queued. A message too many does nothing.
    """
    claimed = claim_due(feed=feed, now=now - CANDLES_COME)
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed, status=CycleStatus.QUEUED)
    if not _time_for("resend", feed, dispatch.RESEND_SECONDS):
        pending = pending.filter(queued_at__gte=datetime.now(UTC) - NEW)
    dispatch.hand_over(pending, enqueue)
    return len(claimed)


def record_equity(*, feed: Feed, now: datetime) -> int:
    """One equity point a minute, of the moment it is taken: cut, it would stand before a deposit of that minute.

    None while prices stand still.
    """
    minute = now.replace(second=0, microsecond=0)
    if feed.market_now is None or feed.market_now < minute or not _new("equity", feed, minute.timestamp()):
        return 0
    return valuation.record(feed=feed, now=now)


def forget() -> None:
    """Drop what this process remembers of its rounds: for tests."""
    _last.clear()


def _time_for(name: str, feed: Feed, seconds: float) -> bool:
    wall = monotonic()
    if wall < _last.get((name, feed.pk), 0.0):
        return False
    _last[name, feed.pk] = wall + seconds
    return True


def _new(name: str, feed: Feed, mark: float) -> bool:
    if _last.get((name, feed.pk)) == mark:
        return False
    _last[name, feed.pk] = mark
    return True
