"""Haste on a live feed, put into the product's processes from outside: every patience with an exchange is divided.

How often it looks is divided by a factor of its own, which is 1 where seconds without a stop are measured. What an
exchange allows in a minute does not shrink with either, so its budget is counted only where a scenario is about it.
"""

import os
from datetime import timedelta
from typing import Any

RULES_SECONDS = 4.0  # between two looks at an exchange's instruments, which are an hour apart


def install(factor: float, looks: float) -> None:
    from django.conf import settings

    from ledger import guardian_watch, live_orders
    from ledger.domain import lookups
    from markets.exchanges import budget, clients, live, live_clients, live_reports
    from markets.live import chores

    settings.LIVE_TRADING = True  # testing refuses it as a setting, and here it is the fake exchange that is traded on
    lookups.PATIENCE /= factor
    lookups.PAUSES = tuple(pause / factor for pause in lookups.PAUSES)  # type: ignore[assignment]
    live_reports.NAMELESS = int(live_reports.NAMELESS / factor)
    made: Any = clients.client
    made.__kwdefaults__["timeout"] = max(clients.TIMEOUT_SECONDS / factor, 1.0)
    chores.RULES_EVERY, live_clients.FRESH_SECONDS = timedelta(seconds=RULES_SECONDS), RULES_SECONDS
    if not os.environ.get("FAULTS_BUDGET"):
        budget.SharedGate._spend = lambda *_: None  # type: ignore[method-assign]

    for name in ("COVERED_EVERY", "IDLE_EVERY", "LOOK_EVERY"):
        setattr(live_orders, name, getattr(live_orders, name) / looks)
    guardian_watch.ROUND_SECONDS = max(guardian_watch.ROUND_SECONDS / looks, 0.4)
    guardian_watch.COMPARE_EVERY /= looks
    guardian_watch.AGAIN_AFTER /= looks
    guardian_watch.ALERTS_EVERY /= looks
    live_reports.LOOK_EVERY /= looks
    live.WHOLE_EVERY /= looks
