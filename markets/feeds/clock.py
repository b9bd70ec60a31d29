"""What time it is on a feed, and how long its next instant has to wait. Reads rows, changes none."""

from datetime import datetime, timedelta

from django.utils import timezone

from markets.models import Feed

CATCH_UP = timedelta(seconds=1)


def now(feed: Feed, wall: datetime | None = None) -> datetime:
    """Market time: of a live feed the wall clock, else the last instant that was committed.

    A lock-step feed that has not been prepared stands at its start. Raises ValueError where it has none.
    """
    if not feed.lock_step:
        return wall or timezone.now()
    at = feed.market_now or feed.starts_at
    if at is None:
        raise ValueError(f"The feed {feed.name} has neither an instant nor a start.")
    return at


def wait_for_next(feed: Feed, wall: datetime, speed: float | None = None) -> float:
    """Seconds of wall time until the next instant may begin; `speed` (default: the feed's) is a ceiling."""
    if feed.stepped_at is None:
        return 0.0
    pause = timedelta(seconds=feed.step_seconds / (speed or feed.speed))
    return max(0.0, (feed.stepped_at + pause - wall).total_seconds())


def due(feed: Feed, wall: datetime) -> datetime:
    """When the next instant of the feed's pace was due: not after `wall`, and at most a second before.

    Stamped with this instead of `wall`, small delays are made up for and long pauses are not.
    """
    if feed.stepped_at is None:
        return wall
    planned = feed.stepped_at + timedelta(seconds=feed.step_seconds / feed.speed)
    return min(max(planned, wall - CATCH_UP), wall)
