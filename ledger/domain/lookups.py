"""How long an order of unknown fate is looked up before «not found» counts as an answer.

A venue may show an order late, so one look that finds nothing proves nothing: it takes several, and minutes, and a
position that holds nothing unexplained.
"""

from datetime import datetime, timedelta

TRIES = 6
PATIENCE = timedelta(minutes=5)
PAUSES = (1, 2, 4, 8, 15, 30)  # seconds until the next look-up; the last one repeats


def deadline(sent_at: datetime | None, wall: datetime) -> datetime:
    """The wall time before which an order is never given up: `PATIENCE` after it was sent, or from now."""
    return (sent_at or wall) + PATIENCE


def next_at(tries: int, deadline_at: datetime | None, wall: datetime) -> datetime:
    """When to look again after `tries` looks that found nothing: less and less often, and at the deadline."""
    again = wall + timedelta(seconds=PAUSES[min(tries, len(PAUSES)) - 1])
    return min(again, deadline_at) if deadline_at is not None and deadline_at > wall else again


def never_arrived(*, tries: int, deadline_at: datetime | None, wall: datetime, explained: bool) -> bool:
    """Whether an order that was not found now either never reached its venue.

    `tries` counts this look too; `explained`: the venue's position is what the fills that we know of make.
    """
    return explained and tries >= TRIES and deadline_at is not None and wall >= deadline_at
