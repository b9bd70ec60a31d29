"""Many cycles in flight in one worker while a model thinks, and what one bot costs a core, with Celery and all.

`python -m bench.flight` measures in the place it is started in (PostgreSQL and Redis) and prints one JSON object.
"""

import json
import sys
from pathlib import Path
from time import monotonic, process_time, sleep
from typing import Any

from . import market, worker

SLOTS = 200
PREFORKED = 4  # enough to know what one costs
HOUSE_SLOTS = 16
ROUNDS = 3
NOTHINGS = 500


def main() -> None:
    market.start()
    feed = market.the_feed()
    result: dict[str, Any] = {}
    with worker.running("threads", HOUSE_SLOTS) as process:
        result |= per_bot(feed, process.pid)
    with worker.running("threads", SLOTS) as process:
        result |= in_flight(feed, process.pid)
    with worker.running("prefork", PREFORKED) as process:
        result["prefork"] = sum(market.memory(pid) for pid in children(process.pid)) / PREFORKED
    sys.stdout.write(json.dumps(result))


def per_bot(feed: Any, pid: int) -> dict[str, float]:
    """CPU milliseconds of one cycle of a house bot: its worker, and the claim and the message before it."""
    from tradingsite.celery import app

    one_slot(feed)
    worker_cpu, own, cycles = 0.0, 0.0, 0
    for _ in range(ROUNDS):
        before = market.cpu_seconds(pid)
        own_seconds, ran = one_slot(feed)
        worker_cpu, own, cycles = worker_cpu + market.cpu_seconds(pid) - before, own + own_seconds, cycles + ran
    before = market.cpu_seconds(pid)
    for _ in range(NOTHINGS):
        app.send_task("bench.nothing", queue="cycles", expires=60)
    worker.wait_until(queue_is_empty, "The worker does not take its messages.")
    sleep(0.5)
    nothing = (market.cpu_seconds(pid) - before) / NOTHINGS
    return {"worker_ms": worker_cpu / cycles * 1000, "dispatch_ms": own / cycles * 1000, "celery_ms": nothing * 1000}


def one_slot(feed: Any) -> tuple[float, int]:
    """One slot of every bot through the worker; own CPU seconds for claim and messages, and the cycles that ran."""
    from bots import claiming, dispatch
    from bots.models import Cycle
    from bots.tasks import enqueue

    begun = process_time()
    cycles = claiming.claim_due(feed=feed, now=feed.market_now)
    for one in cycles:
        enqueue(one.pk)
    own = process_time() - begun
    worker.wait_until(lambda: not Cycle.objects.pending().exists(), "Cycles did not end.")
    for _ in range(3):
        dispatch.instant(feed=feed, enqueue=enqueue)
    return own, len(cycles)


def in_flight(feed: Any, pid: int) -> dict[str, float]:
    """All bots ask the slow decider at once: how many were in flight, what each held, and how long all took."""
    from bots import claiming
    from bots.models import Bot, BotStatus, Cycle, CycleStatus
    from bots.tasks import enqueue

    Bot.objects.filter(status=BotStatus.RUNNING).update(decider=worker.Slow.name, next_run_at=feed.market_now)
    idle = market.memory(pid)
    begun = monotonic()
    cycles = [one.pk for one in claiming.claim_due(feed=feed, now=feed.market_now)[:SLOTS]]
    for one in cycles:
        enqueue(one)
    mine = Cycle.objects.filter(pk__in=cycles)
    most, peak = 0, idle
    while mine.filter(status__in=(CycleStatus.QUEUED, CycleStatus.RUNNING)).exists():
        most = max(most, mine.filter(status=CycleStatus.RUNNING).count())
        peak = max(peak, market.memory(pid))
        sleep(0.5)
    done = mine.filter(status=CycleStatus.DONE).count()
    return {
        "in_flight": most, "done": done, "seconds": monotonic() - begun, "idle_mb": idle, "peak_mb": peak,
        "each_mb": (peak - idle) / SLOTS, "ideal": worker.SECONDS,
    }  # fmt: skip


def queue_is_empty() -> bool:
    from tradingsite.celery import app

    with app.connection_for_read() as connection, connection.channel() as channel:
        return not channel.client.llen("cycles")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    stats = (path.read_text() for path in Path("/proc").glob("[0-9]*/stat"))
    fields = ((stat.partition(" ")[0], stat.rpartition(")")[2].split()[1]) for stat in stats)
    return [int(child) for child, parent in fields if int(parent) == pid]
