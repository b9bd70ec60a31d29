from decimal import Decimal as D

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import timeline
from bots.models import CycleStatus, Outcome
from bots.tests import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot(alice):
    return rows.bot(alice)


def hold(bot):
    made = rows.decision(bot, items=0, acted=False)
    rows.item(made, action="hold", outcome=Outcome.HELD)
    return made


def kinds(entries):
    return [(entry.kind, len(entry.cycles)) for entry in entries]


@pytest.mark.requirement("UI-01")
def test_actions_stand_alone_and_holds_are_folded(bot):
    hold(bot)
    acted = rows.decision(bot)
    hold(bot)
    hold(bot)
    refused = rows.decision(bot, acted=False, refused=True)
    entries = timeline.of_bots([bot])
    assert kinds(entries) == [("decision", 0), ("holds", 2), ("decision", 0), ("holds", 1)]
    assert [entry.decision for entry in entries if entry.decision] == [refused, acted]


def test_a_failed_cycle_is_not_hidden(bot):
    hold(bot)
    rows.cycle(bot, status=CycleStatus.FAILED, error="OutOfTime")
    hold(bot)
    assert kinds(timeline.of_bots([bot])) == [("holds", 1), ("trouble", 0), ("holds", 1)]


def test_a_running_cycle_is_not_told_yet(bot):
    rows.cycle(bot, status=CycleStatus.RUNNING, ended_at=None)
    assert timeline.of_bots([bot]) == []


def test_a_fold_keeps_its_id_while_it_grows(bot):
    hold(bot)
    before = timeline.of_bots([bot])[0].id
    hold(bot)
    assert timeline.of_bots([bot])[0].id == before


def test_items_are_told_apart_from_holds(bot):
    made = rows.decision(bot, items=2)
    rows.item(made, action="hold", outcome=Outcome.HELD, quantity=D(1))
    [entry] = timeline.of_bots([bot])
    assert (len(entry.items), entry.held) == (2, 1)


def test_a_cycle_done_without_a_decision_is_a_hold_with_nothing_to_open(bot):
    rows.cycle(bot)
    [entry] = timeline.of_bots([bot])
    assert (entry.kind, entry.decisions) == ("holds", [])


def test_bots_of_a_fold_once_each(alice, bot):
    other = rows.bot(alice)
    for each in (bot, other, bot):
        hold(each)
    [entry] = timeline.of_bots([bot, other])
    assert sorted(entry.bots, key=lambda b: b.pk) == [bot, other]


def test_pages_of_one_bot_follow_each_other(bot):
    made = [rows.decision(bot) for _ in range(5)]
    first, older = timeline.of_bot(bot, size=3)
    second, end = timeline.of_bot(bot, before=older, size=3)
    assert [entry.decision for entry in [*first, *second]] == made[::-1]
    assert end is None


def test_any_number_of_bots_takes_the_same_statements(alice):
    def statements(bots):
        for each in bots:
            rows.decision(each)
            hold(each)
        with CaptureQueriesContext(connection) as queries:
            timeline.of_bots(bots)
        return len(queries)

    assert statements([rows.bot(alice)]) == statements([rows.bot(alice) for _ in range(6)])


def test_no_bots_nothing_told():
    assert timeline.of_bots([]) == []
