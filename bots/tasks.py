"""Celery tasks of the bots: each makes one call. The schedule names them; nothing imports them.

A worker that has been told to end begins nothing new: what it leaves is a queued row, which another worker takes.
"""

import threading
from datetime import UTC, datetime

from celery import current_app, shared_task
from celery.signals import worker_shutting_down
from kombu.exceptions import OperationalError

from ledger import heartbeats
from markets import charting

from . import cycle, dispatch, live_dispatch, previews, replaying, reservations, trials

TICK_SECONDS = 0.95
MESSAGE_SECONDS = 20  # longer than until it is sent again, so that one of them is always good
DRAIN = threading.Event()
# Set by a process that ends and lets cycles run to their end, but cannot wait for a backtest.
LAB_ENDS = threading.Event()


@worker_shutting_down.connect
def drain(**_: object) -> None:
    DRAIN.set()


@shared_task(name="bots.tasks.dispatch", ignore_result=True)
def tick() -> int:
    """Look after live feeds, drive the others for about a second, and queue the cycles that are due."""
    live = live_dispatch.tick(enqueue=enqueue) if not DRAIN.is_set() else 0
    return live + dispatch.tick(enqueue=enqueue, seconds=TICK_SECONDS, draining=DRAIN.is_set)


def enqueue(cycle_id: int) -> None:
    """Hand a queued cycle to a worker. Raises NoBroker where the broker takes no messages."""
    message = {"kwargs": {"cycle_id": cycle_id}, "queue": "cycles", "expires": MESSAGE_SECONDS}
    try:
        # The dispatcher tries again by itself, and while it waits here it holds up the market.
        current_app.send_task("bots.tasks.run_cycle", retry=False, **message)
    except OperationalError as error:
        raise dispatch.NoBroker(str(error)) from None


@shared_task(name="bots.tasks.run_cycle", ignore_result=True)
def run_cycle(*, cycle_id: int, **_later: object) -> None:
    """Run one queued cycle; a second delivery does nothing."""
    if not DRAIN.is_set():
        cycle.run(cycle_id=cycle_id)


@shared_task(name="bots.tasks.answer_pages", ignore_result=True)
def answer_pages() -> int:
    """What pages wait for and takes indicators, which a web process does not compute: charts, prompts and replays."""
    if DRAIN.is_set():
        return 0
    return charting.fill_asked(datetime.now(UTC)) + previews.render_asked() + replaying.run_asked()


@shared_task(name="bots.tasks.sign_of_life", ignore_result=True)
def sign_of_life() -> None:
    """Shows that a worker takes cycles."""
    heartbeats.beat(name=heartbeats.CYCLES, now=datetime.now(UTC))


@shared_task(name="bots.tasks.settle_lost_calls", ignore_result=True)
def settle_lost_calls() -> int:
    """Settle the calls to models whose process died before it could."""
    return reservations.sweep(wall=datetime.now(UTC))


@shared_task(name="bots.tasks.try_model", ignore_result=True)
def try_model(*, model_id: int, **_later: object) -> None:
    """Ask a language model for a word and keep what came of it on its row."""
    trials.run(model_id=model_id)


def enqueue_trial(model_id: int) -> None:
    """Hand the test of a model to a worker. Raises NoBroker where the broker takes no messages."""
    try:
        current_app.send_task("bots.tasks.try_model", kwargs={"model_id": model_id}, queue="cycles", retry=False)
    except OperationalError as error:
        raise dispatch.NoBroker(str(error)) from None


@shared_task(name="bots.tasks.run_backtests", ignore_result=True)
def run_backtests() -> int:
    """Run the backtests that wait: told by whoever asks for one, and now and then by the clock."""
    from .backtests import lab  # tasks are loaded by every command, and reports are needed by none of them

    return lab.work(draining=lambda: DRAIN.is_set() or LAB_ENDS.is_set())


def enqueue_backtests() -> bool:
    """Tell a worker that a backtest waits. False where no broker takes the message: then the clock tells it later."""
    try:
        current_app.send_task("bots.tasks.run_backtests", queue="lab", retry=False)
    except OperationalError:
        return False
    return True
