"""The product's own processes with the laboratory in them: `python -m faults.inside celery ...` or `manage ...`.

It sets the product up, puts points, watch and decider in place, and hands over to one child after the other; the
product's code stays as it is.
"""

import os
import random
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import django

from . import parent

# An instant on a busy machine takes a second; a driver must not lose its market over that.
SHORTEST_LEASE = timedelta(seconds=2.5)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    django.setup()
    prepare()
    program, *arguments = sys.argv[1:]
    parent.bear(program)
    sys.argv = [program, *arguments]
    if program == "trade":
        from .trader import main as trade

        trade()
    if program == "celery":
        from celery.__main__ import main as celery

        sys.exit(celery())
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def prepare() -> None:
    from . import busy, points, watch, wished

    points.install()
    watch.install()
    busy.install()
    wished.install()
    if looks := os.environ.get("FAULTS_LIVE"):
        from . import live_haste

        live_haste.install(float(os.environ.get("FAULTS_HURRY", "1")), float(looks))
    if factor := float(os.environ.get("FAULTS_HURRY", "1")):
        hurry(factor)
    if copies := os.environ.get("FAULTS_COPIES"):
        multiply(int(copies))


def hurry(factor: float) -> None:
    """Divide every patience of the product by `factor`: they are most of what a recovery waits for.

    The deadline of cycles, how long an order may be on its way, how long a dead driver keeps the market, and how long
    a frozen process keeps its locks.
    """
    from django.conf import settings

    from bots import cycle, dispatch
    from ledger import ordering
    from markets import driving

    defaults: dict[str, Any] = cycle.run.__kwdefaults__ or {}
    assert dispatch.DEADLINE == defaults["deadline"] == cycle.DEADLINE
    cycle.DEADLINE = dispatch.DEADLINE = defaults["deadline"] = cycle.DEADLINE / factor
    ordering.RECEIVE_WINDOW /= factor
    ordering.IN_FLIGHT /= factor
    driving.LEASE = max(driving.LEASE / factor, SHORTEST_LEASE)
    options = settings.DATABASES["default"].get("OPTIONS")
    if options and "options" in options:
        options["options"] = re.sub(r"(?<=timeout=)\d+", lambda old: str(int(int(old[0]) / factor)), options["options"])


def multiply(most: int) -> None:
    """Send every task two to `most` times, under the same id, as a broker does that delivers again."""
    from tradingsite.celery import app

    original: Callable[..., Any] = app.amqp.send_task_message

    @wraps(original)
    def sending(*args: Any, **kwargs: Any) -> Any:
        for _ in range(random.randint(2, most) - 1):
            original(*args, **kwargs)
        return original(*args, **kwargs)

    app.amqp.send_task_message = sending


if __name__ == "__main__":
    main()
