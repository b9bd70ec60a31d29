"""Run by a test in a process of its own: more cycles at once than the pool has connections, all asking at one time.

Prints how many cycles were inside their decider together and how many connections were in use then. A cycle that held
its connection over the call would keep the others out, and the barrier would break.
"""

import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

SECONDS = 40.0


def main(count: int) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    django.setup()
    from django.db import close_old_connections, connection

    from bots import cycle, deciders, dispatch
    from bots.models import Bot, Cycle
    from markets.models import Feed

    together, used = threading.Barrier(count), []

    @dataclass(frozen=True)
    class Remote:
        name: ClassVar[str] = "test:remote"
        description: ClassVar[str] = "Answers when all have asked."
        remote: ClassVar[bool] = True

        def decide(self, briefing: Any) -> dict[str, Any]:
            together.wait(SECONDS)
            stats = connection.pool.get_stats()
            used.append(stats["pool_size"] - stats["pool_available"])
            together.wait(SECONDS)
            return {"summary": "Nothing.", "decisions": []}

    deciders.get = lambda name, options=None: Remote()
    feed = Feed.objects.running().get()
    bots = list(Bot.objects.on(feed).order_by("pk")[:count])
    claimed = [one.pk for one in dispatch.claim_due(feed=feed, now=feed.market_now) if one.bot in bots]
    close_old_connections()

    def run(cycle_id: int) -> None:
        try:
            cycle.run(cycle_id=cycle_id)
        finally:
            close_old_connections()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(run, claimed))
    ended = Cycle.objects.filter(pk__in=claimed)
    told = {"together": len(used), "connections": max(used, default=-1), "most": connection.pool.max_size}
    sys.stdout.write(json.dumps(told | {"ended": sorted(ended.values_list("status", "error"))}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
