from datetime import timedelta

import pytest

from bots import retention
from bots.models import Cycle, CycleStatus, Decision, DecisionItem
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def held(bot, ago, **fields):
    """A decision to hold, with one item, at a slot so many days ago."""
    number = Cycle.objects.count()
    slot = NOW - ago * DAY + timedelta(seconds=number)
    made = rows.decision(bot, items=0, cycle=rows.cycle(bot, slot=slot), **{"acted": False, **fields})
    rows.item(made, action="hold", outcome="held")
    return made


def left():
    return set(Decision.objects.values_list("pk", flat=True))


@pytest.mark.requirement("OPS-04")
def test_old_holds_go_with_all_that_was_answered(alice):
    bot = rows.bot(alice)
    old, young, newest = held(bot, 3), held(bot, 0), held(bot, 0)

    assert retention.holds(days=2) == {Cycle: 1, Decision: 1, DecisionItem: 1}

    assert left() == {young.pk, newest.pk}
    assert not Cycle.objects.filter(pk=old.cycle_id).exists()
    assert not DecisionItem.objects.filter(decision=old.pk).exists()


def test_what_acted_was_refused_failed_or_led_to_an_intent_stays(alice):
    bot = rows.bot(alice)
    acted, refused = held(bot, 9, acted=True), held(bot, 9, refused=True)
    odd = held(bot, 9)
    rows.item(odd, intent=builders.intent(bot.book))
    failed = rows.cycle(bot, slot=NOW - 8 * DAY, status=CycleStatus.FAILED)
    held(bot, 0)

    assert retention.holds(days=2) == {Cycle: 0, Decision: 0, DecisionItem: 0}

    assert {acted.pk, refused.pk, odd.pk} <= left()
    assert Cycle.objects.filter(pk=failed.pk).exists()


def test_the_newest_cycle_of_a_bot_stays_however_old(alice):
    bot = rows.bot(alice)
    held(bot, 99)
    newest = held(bot, 98)

    retention.holds(days=2)

    assert left() == {newest.pk}


def test_a_later_cycle_that_waited_for_one_forgets_it(alice):
    bot = rows.bot(alice)
    old = held(bot, 9)
    waiting = rows.cycle(bot, waits_for=old.cycle)

    retention.holds(days=2)

    waiting.refresh_from_db()
    assert waiting.waits_for is None


@pytest.mark.parametrize("dry_run", [True, False])
def test_batches_lead_through_all_and_a_dry_run_says_the_same(alice, monkeypatch, dry_run):
    monkeypatch.setattr(retention, "BATCH", 2)
    for bot in (rows.bot(alice), rows.bot(alice)):
        for number in range(5):
            held(bot, 9, acted=number == 2)
        held(bot, 0)

    removed = retention.holds(days=2, dry_run=dry_run)

    assert removed == {Cycle: 8, Decision: 8, DecisionItem: 8}
    assert Cycle.objects.count() == (12 if dry_run else 4)
