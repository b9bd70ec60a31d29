"""Finds the source of prices behind a feed's row. One per feed and process, because replays read ahead."""

from datetime import datetime

from markets.models import Feed, FeedKind

from .base import LockStepFeed
from .replay import ReplayFeed
from .simulated import SimulatedFeed

_CAPACITY = 8
_sources: dict[tuple[int, datetime], LockStepFeed] = {}


def source(feed: Feed) -> LockStepFeed:
    """The lock-step source of a prepared feed. Raises ValueError for a live feed, which nobody steps."""
    if not feed.lock_step:
        raise ValueError(f"The feed {feed.name} is live: its time passes by itself.")
    key = (feed.pk, feed.created_at)
    if key not in _sources:
        while len(_sources) >= _CAPACITY:
            del _sources[next(iter(_sources))]
        _sources[key] = ReplayFeed(feed) if feed.kind == FeedKind.REPLAY else SimulatedFeed(feed)
    return _sources[key]


def forget(feed: Feed | None = None) -> None:
    """Drop the source of one feed, or all: after its period changed, and for tests."""
    for key in [k for k in _sources if feed is None or k[0] == feed.pk]:
        _sources.pop(key, None)
