"""How long the guardian waits for a venue that may answer late, and how often it asks for the same thing.

Only feeds on the wall clock know waiting: our own venue answers at once and for certain.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

STOP_PATIENCE = timedelta(seconds=5)  # a position whose stop is not confirmed by then is closed
EXIT_PATIENCE = timedelta(seconds=5)  # an exit of unknown fate does not count as under way any longer
EXIT_CAP = 3  # failed exits after which the book only reduces, and a person is told
LONGEST_PAUSE = timedelta(seconds=60)


def impatient(since: datetime | None, now: datetime) -> bool:
    """Whether a position has been without a confirmed stop for too long."""
    return since is not None and now - since >= STOP_PATIENCE


def under_way(sent_at: datetime | None, wall: datetime) -> bool:
    """Whether an exit of unknown fate, sent at this wall time, may still be waited for."""
    return sent_at is None or wall - sent_at < EXIT_PATIENCE


def pausing(failed: Sequence[datetime], now: datetime) -> bool:
    """Whether it is too early for another exit after those that `failed`: 2, 4, 8 … and at most 60 s apart."""
    if not failed:
        return False
    pause = min(timedelta(seconds=2 ** min(len(failed), 6)), LONGEST_PAUSE)
    return now < max(failed) + pause
