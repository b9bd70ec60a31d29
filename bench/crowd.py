"""Hundreds of house bots on the simulated market, as fast as lock-step allows: speed, memory, errors.

`python -m bench.crowd MINUTES [worker]` drives the market of its place for so many market minutes: with every cycle in
this process, or by messages to a worker (PostgreSQL and Redis). It prints one JSON object.
"""

import json
import os
import statistics
import sys
from contextlib import nullcontext
from time import perf_counter
from typing import Any

from . import market, worker

FIRST = 6  # instants until caches are filled: from then on memory is to stay flat
SLOTS = 16


def main(minutes: str, where: str = "inline") -> None:
    market.start()
    from bots.tasks import enqueue

    feed = market.the_feed()
    by_worker = where == "worker"
    with worker.running("threads", SLOTS) if by_worker else nullcontext() as process:
        pids = [os.getpid(), *([process.pid] if process else [])]
        drive(feed, FIRST, enqueue if by_worker else market.run_inline)
        before = [market.memory(pid) for pid in pids]
        begun = perf_counter()
        times = drive(feed, int(minutes), enqueue if by_worker else market.run_inline)
        seconds = perf_counter() - begun
        after = [market.memory(pid) for pid in pids]
    result = {"minutes": int(minutes), "seconds": seconds, "speed": int(minutes) * 60 / seconds, **outcome(feed)}
    result |= {"quiet_ms": statistics.median(sorted(times)[: len(times) // 2]), "mb": sum(after)}
    result["grown_mb"] = sum(after) - sum(before)
    sys.stdout.write(json.dumps(result))


def drive(feed: Any, instants: int, enqueue: Any) -> list[float]:
    """Milliseconds of each instant."""
    from bots import dispatch

    times = []
    for _ in range(instants):
        begun = perf_counter()
        dispatch.instant(feed=feed, enqueue=enqueue)
        times.append((perf_counter() - begun) * 1000)
    return times


def outcome(feed: Any) -> dict[str, int]:
    """Cycles and trades, and everything that is not as it should be."""
    from bots.models import Cycle, CycleStatus
    from ledger import reconciliation
    from ledger.models import Account, Trade

    failed = Cycle.objects.exclude(status=CycleStatus.DONE).count()
    wrong = sum(len(reconciliation.differences(account)) for account in Account.objects.on(feed).select_related("feed"))
    return {"cycles": Cycle.objects.count(), "trades": Trade.objects.count(), "errors": failed + wrong}


if __name__ == "__main__":
    main(*sys.argv[1:])
