"""What a model is asked in a cycle, when it is not, and what is kept of both."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import control, cycle, moments
from bots.domain.prompt import render
from bots.models import Bot, Cycle, CycleStatus, Decision
from bots.prompts import shipped
from bots.questions import wording
from bots.tests import lockstep
from bots.tests import stand_in as models

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.requirement("BOT-09")]


@pytest.fixture
def asked(monkeypatch):
    """A running market on which the trend bot's decider is a model, with no shadow questions."""
    feed = lockstep.market()
    model = models.install(monkeypatch, models.TestModel())
    Bot.objects.filter(decider="house:trend").update(decider=models.NAME, shadow_share=0)
    return feed, Bot.objects.get(decider=models.NAME), model


def test_a_model_is_asked_where_it_matters_and_each_silence_has_its_reason(asked):
    feed, bot, model = asked

    lockstep.drive(feed, 61)

    decisions = list(Decision.objects.filter(bot=bot).order_by("id"))
    cycles = Cycle.objects.filter(bot=bot)
    assert cycles.count() == len(decisions) == 21
    assert set(cycles.values_list("status", flat=True)) == {CycleStatus.DONE}
    assert {one.gate for one in decisions} == {"asked", "skipped"}
    assert len(model.asked) == sum(one.gate == "asked" for one in decisions) < 21
    assert decisions[0].gate_code == "first"
    for one in decisions:
        assert one.gate_reason.endswith(".")
        assert (one.seen is not None) == hasattr(one, "moment") == (one.gate == "asked")
    skipped = next(one for one in decisions if one.gate == "skipped")
    assert not skipped.acted
    assert skipped.summary == f"Not asked: {skipped.gate_reason}"
    house = Decision.objects.exclude(bot=bot)
    assert set(house.values_list("gate", flat=True)) == {""}


def test_without_triggers_it_is_asked_at_every_slot(asked):
    feed, bot, model = asked
    Bot.objects.filter(pk=bot.pk).update(question_cap_minutes=0)

    lockstep.drive(feed, 10)

    assert len(model.asked) == 4


def test_a_share_of_the_skipped_moments_is_asked_all_the_same(asked):
    feed, bot, model = asked
    Bot.objects.filter(pk=bot.pk).update(shadow_share=1)

    lockstep.drive(feed, 31)

    gates = list(Decision.objects.filter(bot=bot).order_by("id").values_list("gate", flat=True))
    assert "skipped" not in gates
    assert "shadow" in gates
    assert len(model.asked) == len(gates)


def test_the_moment_gives_back_the_question_byte_for_byte(asked):
    feed, bot, model = asked
    lockstep.drive(feed, 31)
    lockstep.history.forget()

    kept = [one.moment for one in Decision.objects.filter(bot=bot, gate="asked").order_by("id")]

    assert len(kept) == len(model.asked) > 1
    for moment, was in zip(kept, model.asked, strict=True):
        again = moments.asked(moment)
        prompt = render(again, wording(bot))
        assert (prompt.system, prompt.user, prompt.digest) == (moment.system, moment.user, moment.digest)
        assert again.portfolio == was.portfolio
        assert again.story == was.story


def test_it_is_reminded_of_what_it_did(asked):
    feed, bot, model = asked
    Bot.objects.filter(pk=bot.pk).update(question_cap_minutes=0)

    lockstep.drive(feed, 91)

    told = model.asked[-1]
    assert told.story.said_at is not None
    assert [said.reason for said in told.story.said]
    assert "your answer 3m ago" in render(told, shipped("standard")).user


def test_a_person_is_always_answered(asked):
    feed, bot, model = asked
    lockstep.drive(feed, 1)
    control.run_now(bot=bot, by=None)
    lockstep.drive(feed, 2)

    assert Decision.objects.filter(bot=bot).latest("id").gate_code == "urgent"
    assert len(model.asked) == 2


def test_a_question_takes_a_bounded_number_of_statements(asked, monkeypatch):
    feed, _, model = asked
    counts, question = [], cycle.question

    def counted(**given):
        with CaptureQueriesContext(connection) as queries:
            found = question(**given)
        counts.append(len(queries))
        return found

    monkeypatch.setattr(cycle, "question", counted)
    lockstep.drive(feed, 46)

    assert len(counts) == 16
    assert model.asked[-1].portfolio.positions
    assert max(counts) <= 10


def test_it_may_be_due_more_often_while_it_holds_something(asked):
    feed = asked[0]
    buyer = Bot.objects.get(decider="house:buy_and_hold")
    Bot.objects.filter(pk=buyer.pk).update(interval_seconds=900, position_interval_seconds=300)

    lockstep.drive(feed, 16)

    slots = Cycle.objects.filter(bot=buyer).order_by("slot").values_list("slot", flat=True)
    assert [(slot - slots[0]).total_seconds() / 60 for slot in slots] == [0, 5, 10, 15]


def test_a_crontab_says_minutes_of_market_time(asked):
    feed, bot, _ = asked
    Bot.objects.filter(pk=bot.pk).update(crontab="*/10 * * * *")
    first = Bot.objects.get(pk=bot.pk).next_run_at

    lockstep.drive(feed, 31)

    slots = list(Cycle.objects.filter(bot=bot).order_by("slot").values_list("slot", flat=True))
    assert slots[0] == first
    assert len(slots) >= 3
    assert all(slot.minute % 10 == 0 for slot in slots[1:])
