"""Celery tasks of the bots: each makes one call. The schedule names them; nothing imports them."""

from celery import current_app, shared_task

from . import cycle, dispatch

TICK_SECONDS = 0.95


@shared_task(name="bots.tasks.dispatch", ignore_result=True)
def tick() -> int:
    """Drive running feeds for about a second and queue the cycles that are due."""
    return dispatch.tick(enqueue=enqueue, seconds=TICK_SECONDS)


def enqueue(cycle_id: int) -> None:
    """Hand a queued cycle to a worker. A message that is lost is sent again at the next tick."""
    current_app.send_task("bots.tasks.run_cycle", kwargs={"cycle_id": cycle_id}, queue="cycles", expires=60)


@shared_task(name="bots.tasks.run_cycle", ignore_result=True)
def run_cycle(*, cycle_id: int, **_later: object) -> None:
    """Run one queued cycle; a second delivery does nothing."""
    cycle.run(cycle_id=cycle_id)
