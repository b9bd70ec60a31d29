"""Tasks reach the queue they are sent to, and no other; the clock of the bots ticks each second."""

import pytest
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from tradingsite.celery import app


@pytest.fixture
def broker(monkeypatch):
    """A broker of its own, in memory, whatever the suite runs on."""
    with app.connection_for_write("memory://localhost") as connection:
        channel = connection.channel()
        for queue in app.amqp.queues.values():
            queue(channel).declare()
            queue(channel).purge()
        yield connection


def waiting(connection):
    channel = connection.channel()
    return {name: channel._size(name) for name in ("cycles", "market", "lab")}


def test_a_task_goes_to_the_default_queue(broker):
    app.send_task("bots.tasks.nothing", connection=broker)
    assert waiting(broker) == {"cycles": 1, "market": 0, "lab": 0}


@pytest.mark.parametrize("queue", ["cycles", "market", "lab"])
def test_a_task_goes_to_its_queue_alone(broker, queue):
    app.send_task("bots.tasks.nothing", queue=queue, connection=broker)
    assert waiting(broker) == {"cycles": 0, "market": 0, "lab": 0} | {queue: 1}


@pytest.mark.requirement("BOT-01")
@pytest.mark.django_db
def test_the_dispatcher_is_scheduled_each_second_and_never_piles_up():
    ModelEntry.from_entry("dispatch", app=app, **app.conf.beat_schedule["dispatch"])
    row = PeriodicTask.objects.get(name="dispatch")
    assert (row.task, row.queue, row.interval.every, row.interval.period) == (
        "bots.tasks.dispatch",
        "market",
        1,
        "seconds",
    )
    assert row.expire_seconds == 2
