"""What a process of the product is born from: everything is imported, and no thread and no connection begun.

The laboratory asks for a child with a line on the standard input, which is a socket, and is told its id and, when it
has ended, how: one child at a time. A child that has ended keeps its id until the next one is asked for.
"""

import gc
import os
import threading
from importlib import import_module

LINE = 0
# What the programs import when they begin to work; whatever is missing here, a child imports by itself.
IMPORTS = {
    "celery": (
        "celery.__main__", "celery.bin.celery", "celery.bin.worker", "celery.bin.beat", "celery.apps.worker",
        "celery.apps.beat", "celery.concurrency.thread", "celery.worker.consumer", "celery.worker.strategy",
        "celery.worker.components", "celery.worker.autoscale", "celery.app.control", "celery.app.amqp",
        "celery.app.events", "celery.app.log", "celery.fixups.django", "celery.contrib.django.task",
        "celery.events.state", "kombu.transport.redis", "kombu.transport.virtual", "redis.asyncio",
        "django_celery_beat.schedulers", "bots.tasks", "ledger.tasks", "tradingsite.tasks", "tradingsite.urls",
        "bots.cycle", "bots.dispatch",
    ),
    "manage.py": ("ledger.management.commands.guardian", "ccxt", "ccxt.pro", "psycopg_pool", "tradingsite.urls"),
    "trade": ("ccxt", "psycopg_pool", "faults.trader", "ledger.protection", "ledger.reports", "ledger.valuation"),
}  # fmt: skip


def bear(program: str) -> None:
    """Fork a child at each line; returns in the children. The parent ends with the laboratory."""
    for name in IMPORTS[program]:
        import_module(name)
    untouched()
    gc.collect()
    gc.freeze()  # so that a child's collector does not copy what it never changes
    child = 0
    while os.read(LINE, 1):
        if child:
            os.waitpid(child, 0)
        if not (child := os.fork()):
            leave()
            return
        tell(child)
        tell(exit_code(child))
    os._exit(0)


def exit_code(child: int) -> int:
    """Wait for its end; negative for a signal. It keeps its id."""
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def untouched() -> None:
    """A child must begin like a process that was started from nothing."""
    from django.db import connections

    assert threading.active_count() == 1, threading.enumerate()
    assert all(connection.connection is None for connection in connections.all())


def leave() -> None:
    """The child goes its own way: a session of its own, and nobody talks to it."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, LINE)
    os.close(nothing)


def tell(number: int) -> None:
    os.write(LINE, f"{number}\n".encode())
