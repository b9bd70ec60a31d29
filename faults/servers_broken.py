"""Redis and PostgreSQL that restart, crash, freeze or forget: F4, F5 and F36."""

import random
import time
from collections.abc import Callable, Iterator

from .inspection import newest_cycle, reliably
from .recovery import Result, settled, unheard, unprotected
from .rounds import ORDINARY, rounds
from .stage import DATABASE, Stage

F5_POINTS = ("committing", "entry planned", "entry claimed", "venue booking", "booking", "stepping", "stop claimed")
AWAY_SECONDS = 6.0


def broker_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F4: Redis is flushed, or dies and comes back empty, while a cycle is under way."""
    for number in rounds(stage, runs, *ORDINARY):
        stage.arm("answered", "wait 1")
        stage.taken("answered")
        since, how = newest_cycle(), ("restarted", "flushed")[number % 2]
        {"restarted": stage.redis.restart, "flushed": stage.redis.flush}[how]()
        yield settled(stage, since, time.monotonic(), how)


def database_breaks(stage: Stage) -> dict[str, Callable[[], object]]:
    """The ways in which PostgreSQL lets its clients down, by what they are called."""
    return {
        "connections cut": lambda: stage.postgres.terminate(DATABASE),
        "restarted": stage.postgres.restart,
        "crashed": stage.postgres.crash,
    }


def database_lost(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F5: PostgreSQL cuts its connections, restarts or crashes, in the middle of a transaction or between two."""
    breaks = database_breaks(stage)
    for number in rounds(stage, runs, *ORDINARY):
        point, how = F5_POINTS[number % len(F5_POINTS)], list(breaks)[number % len(breaks)]
        stage.arm(point, "wait 2")
        stage.taken(point)
        since = reliably(newest_cycle)
        breaks[how]()
        yield settled(stage, since, time.monotonic(), f"{how} at «{point}»")


def redis_down(stage: Stage, runs: int, lots: random.Random) -> Iterator[Result]:
    """F36: Redis is gone or frozen for a while. Positions stay protected, and cycles come back by themselves."""
    for number in rounds(stage, runs, *ORDINARY):
        time.sleep(lots.uniform(0, 2))
        since, how = newest_cycle(), ("gone", "frozen")[number % 2]
        {"gone": stage.redis.kill, "frozen": stage.redis.freeze}[how]()
        away = time.time()
        time.sleep(AWAY_SECONDS)
        bare = unprotected() + unheard("guardian", away)
        {"gone": stage.redis.start, "frozen": stage.redis.thaw}[how]()
        yield settled(stage, since, time.monotonic(), f"{how} for {AWAY_SECONDS:g} s", bare)
