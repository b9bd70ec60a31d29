"""Every process twice, every message in two to five copies (F7), and then everything that can break, at random.

One run of the storm kills ten processes, flushes Redis, restarts it, and breaks PostgreSQL, all under load.
"""

import random
import time
from collections.abc import Callable, Iterator

from .inspection import newest_cycle, reliably
from .recovery import Result, settled
from .rounds import DOUBLED, rounds
from .servers_broken import database_breaks
from .stage import Stage

COPIES = 5
QUIET_SECONDS = 3.0


def delivered_again(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F7: every message is delivered two to five times at once, from two beats to two workers of each kind."""
    for _ in rounds(stage, runs, *DOUBLED, copies=COPIES):
        since = newest_cycle()
        time.sleep(QUIET_SECONDS)
        yield settled(stage, since, time.monotonic(), f"messages in two to {COPIES} copies")


def storm(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """Kills, a flush, a restart of Redis and one of PostgreSQL, in a new order each time."""
    for number in rounds(stage, runs, *DOUBLED, copies=COPIES):
        broken = database_breaks(stage)
        how = list(broken)[number % len(broken)]
        deeds: list[Callable[[], object]] = [lambda: kill_one(stage, lots)] * stage.kills
        deeds += [stage.redis.flush, stage.redis.restart, broken[how]]
        lots.shuffle(deeds)
        for deed in deeds:
            time.sleep(lots.uniform(0, 1.5))
            deed()
        since = reliably(newest_cycle)
        yield settled(
            stage, since, time.monotonic(), f"{stage.kills} kills, Redis flushed and restarted, PostgreSQL {how}"
        )


def kill_one(stage: Stage, lots: random.Random) -> None:
    """kill -9 for a process drawn by lot; it is started again at once, with whatever else has ended meanwhile."""
    stage.processes[lots.choice(DOUBLED)].kill()
    stage.start_again()
