"""How a scenario goes round: the product is started, broken, watched until it has recovered, and broken again."""

import random
import time
from collections.abc import Callable, Iterator

from . import market
from .inspection import reliably
from .recovery import Result, recovered
from .stage import Stage

ORDINARY = ("worker-1", "worker-2", "market-1", "beat-1", "guardian-1")
DOUBLED = (*ORDINARY, "market-2", "beat-2", "guardian-2")
WARM_SECONDS = 60.0

Scenario = Callable[[Stage, int, random.Random], Iterator[Result]]


class NotProduced(Exception):
    """The fault could not be produced: the product did not run before it, or nobody came to the point."""


def rounds(
    stage: Stage, runs: int, *names: str, copies: int = 0, fresh: int = 0, busy_only: bool = False
) -> Iterator[int]:
    """Number the runs, all of them on one stage; after a loss, and after `fresh` runs, the next one begins anew."""
    number = 0
    while number < runs:
        with stage.playing(*names, copies=copies):
            if busy_only:
                reliably(market.only_busy)
            warm(stage)
            until = min(runs, number + fresh) if fresh else runs
            while number < until and not stage.lost:
                yield number
                number += 1


def warm(stage: Stage) -> None:
    """Wait until the product runs; what is wrong before anything was broken is an error of the laboratory."""
    _, found = recovered(stage, 0, time.monotonic() + WARM_SECONDS)
    if found:
        raise NotProduced(f"the product did not run before the fault: {' '.join(found)}")
