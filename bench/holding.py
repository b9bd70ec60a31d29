"""A cycle that holds, without a network: wall and CPU time of each, and the floor of the same statements.

`python -m bench.holding` measures in the place it is started in and prints one JSON object.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from time import process_time
from typing import Any

from . import floor, market, places

SLOTS = 10  # in which every bot runs once and is timed
COUNTED = ("wall", "cpu")


def main() -> None:
    market.start()
    feed = market.the_feed()
    timed: list[dict[str, float]] = []
    statements: list[int] = []
    for _ in range(SLOTS):
        timed += run_slot(feed)
    rounds, copied = written_down(feed, statements)
    floors = floor.replay(copied, rounds)
    copied.drop()
    result: dict[str, Any] = {name: statistics.median(one[name] for one in timed) for name in COUNTED}
    result |= {"cycles": len(timed), "floor": statistics.median(floors), "statements": max(statements)}
    sys.stdout.write(json.dumps(result))


def run_slot(feed: Any) -> list[dict[str, float]]:
    """One slot of every bot, and the market's steps until the next; the cycles that decided nothing."""
    from bots import cycle, dispatch

    timed = []

    def run(cycle_id: int) -> None:
        begun = process_time()
        wall = floor.timed(lambda: cycle.run(cycle_id=cycle_id))
        timed.append({"cycle": cycle_id, "wall": wall, "cpu": (process_time() - begun) * 1000})

    for _ in range(3):
        dispatch.instant(feed=feed, enqueue=run)
    return [one for one in timed if held([int(one["cycle"])])]


def held(cycles: Sequence[int]) -> bool:
    """Whether these cycles ended well and sent no order."""
    from bots.models import Cycle, CycleStatus

    done = Cycle.objects.filter(pk__in=cycles, status=CycleStatus.DONE, decision__acted=False)
    return done.count() == len(cycles)


def written_down(feed: Any, statements: list[int]) -> tuple[list[list[floor.Sent]], places.Place]:
    """What the cycles of one more slot send, and a copy of the place as it was before them."""
    from bots import claiming, cycle

    cycles = claiming.claim_due(feed=feed, now=feed.market_now)
    copied = places.copy_of_here()
    rounds = []
    for one in cycles:
        with floor.written_down() as sent:
            cycle.run(cycle_id=one.pk)
        rounds.append(sent)
        statements.append(sum(each.sql not in floor.BOUNDARIES and not each.sql.startswith("BEGIN") for each in sent))
    if not held([one.pk for one in cycles]):
        raise RuntimeError("A cycle that was to hold has traded.")
    return rounds, copied


if __name__ == "__main__":
    main()
