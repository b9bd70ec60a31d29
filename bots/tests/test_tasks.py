"""Tasks make one call each, and their names are what the schedule says."""

import pytest
from django.conf import settings

from bots import tasks
from bots.models import Cycle, CycleStatus
from bots.tests import lockstep
from markets.models import Feed

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_schedule_names_the_dispatcher():
    assert settings.CELERY_BEAT_SCHEDULE["dispatch"]["task"] == tasks.tick.name


def test_a_tick_drives_the_market_and_its_bots(monkeypatch):
    feed = lockstep.market()
    monkeypatch.setattr(tasks, "enqueue", lambda cycle_id: tasks.run_cycle(cycle_id=cycle_id))

    assert tasks.tick() > 0

    assert Feed.objects.get().market_now > feed.market_now
    assert set(Cycle.objects.values_list("status", flat=True)) == {CycleStatus.DONE}


def test_a_later_release_may_send_more_arguments():
    feed = lockstep.market()
    queued = lockstep.dispatch.claim_due(feed=feed, now=feed.market_now)[0]

    tasks.run_cycle(cycle_id=queued.pk, something_new=1)

    queued.refresh_from_db()
    assert queued.status == CycleStatus.DONE
