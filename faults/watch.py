"""What must hold at every instant, looked at from inside the process that drives the market, before it steps.

By then the work of the instant has ended: each position at the venue has its stop, each stop its position, and no
cycle is left. What does not hold is written down for the laboratory; nothing is mended.
"""

from datetime import datetime
from functools import wraps
from typing import Any

from .points import CONTROL

FOUND = "found"


def install() -> None:
    from markets import stream

    original = stream.step

    @wraps(original)
    def looking(feed_id: int, **given: Any) -> Any:
        note(feed_id, given["since"])
        return original(feed_id, **given)

    stream.step = looking


def note(feed_id: int, since: datetime) -> None:
    """Write down what is amiss before the market moves on from the instant `since`."""
    from markets.models import Feed

    from . import endings, invariants

    feed = Feed.objects.get(pk=feed_id)
    if feed.market_now != since:
        return  # This driver has slept, and another one is at work on a later instant.
    found = [*invariants.uncovered(feed), *invariants.orphans(feed), *endings.unended(feed)]
    if found and Feed.objects.filter(pk=feed_id, market_now=since).exists():
        with (CONTROL / FOUND).open("a") as file:
            file.writelines(f"The market moved on from {feed.market_now:%H:%M}: {sentence}\n" for sentence in found)
