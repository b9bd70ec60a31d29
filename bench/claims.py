"""The dispatcher's claim of what is due among thousands of bots: each second, after a pause, and after an outage.

`python -m bench.claims` measures in the place it is started in and prints one JSON object.
"""

import json
import statistics
import sys
from datetime import timedelta
from typing import Any

from . import floor, market, places

TICKS = 30  # seconds of a live market
PAUSE = timedelta(seconds=10)
OUTAGE = timedelta(minutes=3)


def main() -> None:
    market.start()
    from bots.models import Bot
    from markets.models import Feed, FeedKind

    feed = Feed.objects.get(kind=FeedKind.LIVE)
    now: Any = Bot.objects.on(feed).order_by("next_run_at").values_list("next_run_at", flat=True)[0]
    claim(feed, now)  # compiles what is compiled once
    ticks = [claim(feed, now := now + timedelta(seconds=1)) for _ in range(TICKS)]
    idle = [claim(feed, now)[0] for _ in range(5)]
    after_pause, some = claim(feed, now := now + PAUSE)
    bare = bare_tick(feed, now + timedelta(seconds=1))
    after_outage, all_of_them = claim(feed, now + OUTAGE)
    result: dict[str, Any] = {
        "bots": Bot.objects.on(feed).count(), "tick": statistics.median(ms for ms, _ in ticks),
        "due": statistics.median(due for _, due in ticks), "idle": statistics.median(idle), "floor": bare,
        "pause": after_pause, "paused": some, "outage": after_outage, "all": all_of_them,
    }  # fmt: skip
    sys.stdout.write(json.dumps(result))


def claim(feed: Any, now: Any) -> tuple[float, int]:
    """Milliseconds of one claim, and how many bots it took."""
    from bots.claiming import claim_due

    taken: list[Any] = []
    ms = floor.timed(lambda: taken.extend(claim_due(feed=feed, now=now)))
    return ms, len(taken)


def bare_tick(feed: Any, now: Any) -> float:
    """The statements of one more tick through the driver alone, on a copy made before it."""
    copied = places.copy_of_here()
    with floor.written_down() as sent:
        claim(feed, now)
    [ms] = floor.replay(copied, [sent])
    copied.drop()
    return ms


if __name__ == "__main__":
    main()
