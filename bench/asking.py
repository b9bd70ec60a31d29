"""What a cycle costs beside its language model: many bots ask a slow one at the same time, over HTTP, in one worker.

`python -m bench.asking` measures in the place it is started in (PostgreSQL and Redis) and prints one JSON object. The
model is a server of the tests in a process of its own; it takes 2 and then 20 seconds for every answer.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

from . import market, worker

SLOTS = 200
THINKS = (2, 20)


def main() -> None:
    market.start()
    feed = market.the_feed()
    result: dict[str, Any] = {}
    with worker.running("threads", SLOTS) as process:
        for seconds in THINKS:
            with thinking(seconds) as url:
                prepare(url)
                result |= {f"{name}_{seconds}": value for name, value in asked(feed, process.pid).items()}
    sys.stdout.write(json.dumps(result))


@contextmanager
def thinking(seconds: float) -> Iterator[str]:
    """The address of a model that holds everything after so many seconds."""
    command = [sys.executable, "-m", "bots.tests.fake_models", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.terminate()


def prepare(url: str) -> None:
    """Every running bot asks this model at every slot, with no limit on the way but those of the worker."""
    from bots.models import Bot, BotStatus, Budget, KeySource, LanguageModel, Provider

    owner = Bot.objects.filter(status=BotStatus.RUNNING).latest("pk").owner
    provider, _ = Provider.objects.update_or_create(
        owner=owner, name="bench", defaults={"base_url": url, "key_source": KeySource.NONE, "most_calls": 10 * SLOTS}
    )
    prices = {"price_input": 1, "price_output": 10, "call_seconds": 60}
    LanguageModel.objects.update_or_create(provider=provider, name="slow", defaults={"model_id": "slow", **prices})
    running = Bot.objects.filter(status=BotStatus.RUNNING)
    running.update(decider="model:slow", decision_seconds=60, question_cap_minutes=0)
    for bot in [None, *running]:
        Budget.objects.get_or_create(owner=owner, bot=bot, defaults={"daily_tokens": None, "daily_money": None})


def asked(feed: Any, pid: int) -> dict[str, float]:
    """One slot of all bots: seconds until all had ended, most calls at once, CPU of each cycle, memory of each."""
    from bots import claiming, dispatch
    from bots.models import Bot, BotStatus, Cycle, CycleStatus, ModelCall
    from bots.tasks import enqueue

    running = Bot.objects.filter(status=BotStatus.RUNNING)
    running.update(next_run_at=feed.market_now + timedelta(days=1))  # A new slot, in which nobody asks yet.
    dispatch.instant(feed=feed, enqueue=market.run_inline)
    feed.refresh_from_db()
    running.update(next_run_at=feed.market_now)
    before, idle, begun = market.cpu_seconds(pid), market.memory(pid), monotonic()
    cycles = [one.pk for one in claiming.claim_due(feed=feed, now=feed.market_now)[:SLOTS]]
    for one in cycles:
        enqueue(one)
    mine, most, peak = Cycle.objects.filter(pk__in=cycles), 0, idle
    while mine.filter(status__in=(CycleStatus.QUEUED, CycleStatus.RUNNING)).exists():
        most = max(most, ModelCall.objects.filter(cycle__in=cycles, state="asking").count())
        peak = max(peak, market.memory(pid))
        sleep(0.2)
    seconds = monotonic() - begun
    answered = ModelCall.objects.filter(cycle__in=cycles, state="answered").count()
    return {
        "seconds": seconds, "most": most, "answered": answered, "each_mb": (peak - idle) / SLOTS,
        "cpu_ms": (market.cpu_seconds(pid) - before) / SLOTS * 1000,
    }  # fmt: skip


if __name__ == "__main__":
    main()
