"""Run by tests in a process of its own: asks a model again and again, each time in a child that is killed on the way.

`python -m bots.tests.dying_asker BOT COUNT` forks COUNT children, a few at a time; each dies by SIGKILL at one of the
POINTS, in turn. Prints how many died where. The database is that of its environment.
"""

import json
import os
import random
import signal
import sys
import threading
from collections import Counter
from time import sleep
from typing import Any

POINTS = ("reserved", "asking", "answered", "settling", "settled")
AT_ONCE = 3


def main(bot_id: int, count: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    import django

    django.setup()
    import openai  # the children share what is loaded once
    from django.db import connections

    import bots.asking

    assert openai
    assert bots.asking
    children: dict[int, str] = {}
    died: Counter[str] = Counter()

    def reap() -> None:
        pid, status = os.wait()
        point = children.pop(pid)
        died[point if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL else "lived"] += 1

    for number in range(count):
        if len(children) >= AT_ONCE:
            reap()
        connections.close_all()
        point = POINTS[number % len(POINTS)]
        pid = os.fork()
        if not pid:
            die_at(point, bot_id, seed=number)
            os._exit(0)
        children[pid] = point
    while children:
        reap()
    sys.stdout.write(json.dumps(died))


def die() -> Any:
    os.kill(os.getpid(), signal.SIGKILL)
    sleep(10)


def die_at(point: str, bot_id: int, seed: int) -> None:
    from bots import asking, deciding, reservations
    from bots.domain.prompt import Prompt
    from bots.models import Bot

    bot = Bot.objects.select_related("owner").get(pk=bot_id)
    chain = deciding.chain_of(bot)
    if point == "reserved":
        asking.language_model.ask = lambda request: die()
    elif point == "asking":
        threading.Timer(random.Random(seed).uniform(0.0, 0.15), die).start()
    elif point == "answered":
        asking.reservations.settle = lambda **_: die()
    elif point == "settling":
        reservations.spending.spend = lambda **_: die()
    asking.answer(asking.Question(Prompt("Hold.", "Now."), {}, chain, seconds=30, bot=bot))
    die()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
