"""A decision of a model again: the same question, today's rules, another model, another prompt."""

import json
from functools import partial
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bots import replaying, retention, wordings
from bots.domain.prompt import Prompt
from bots.models import Bot, Decision, KnownAnswer, LanguageModel, Moment, Replay, RiskPolicy
from bots.replaying import Changes, NotReplayable, replay
from bots.tests import fake_models, lockstep
from bots.tests import models as rows
from bots.tests import stand_in as models
from ledger.models import Intent, Order
from markets.models import Candle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.requirement("BOT-10")]


@pytest.fixture
def model(monkeypatch):
    return models.install(monkeypatch, models.TestModel())


@pytest.fixture
def acted(model) -> Decision:
    """A decision of a model that opened something, on a market that has gone on since."""
    feed = lockstep.market()
    Bot.objects.filter(decider="house:trend").update(decider=models.NAME, shadow_share=0, question_cap_minutes=0)
    lockstep.drive(feed, 46)
    lockstep.history.forget()
    return Decision.objects.filter(decider=models.NAME, acted=True).order_by("id").first()


def test_nothing_changed_means_nothing_differs(acted, model):
    asked = len(model.asked)

    found = replay(decision=acted)

    assert found["identical"]
    assert found["same"]
    assert all(item["same"] for item in found["items"])
    assert found["prompt"] == []
    assert len(model.asked) == asked


def test_todays_rules_judge_the_answer_of_then(acted):
    RiskPolicy.objects.filter(pk=acted.bot.policy_id).update(min_confidence="0.99")

    then = replay(decision=Decision.objects.get(pk=acted.pk))
    now = replay(decision=Decision.objects.get(pk=acted.pk), changes=Changes(rules_today=True))

    assert then["same"]
    assert not now["same"]
    refused = next(item for item in now["items"] if not item["same"])
    assert refused["then"]["outcome"] in ("planned", "shrunk")
    assert refused["now"]["outcome"] == "refused"
    assert "confidence" in [verdict["code"] for verdict in refused["now"]["verdicts"]]


def test_another_decider_is_asked_about_the_same_moment(acted):
    found = replay(decision=acted, changes=Changes(model="house:buy_and_hold"))

    assert found["model"] == "house:buy_and_hold"
    assert found["identical"]
    assert not found["same"]
    assert found["summary"]["then"] != found["summary"]["now"]


def test_another_prompt_is_asked_and_the_same_question_is_free(acted, model):
    version = wordings.write(owner=acted.bot.owner, name="mine", text="Be brave.")
    model.answer = lambda briefing: {"summary": "Nothing for me.", "items": []}
    asked = len(model.asked)

    first = replay(decision=acted, changes=Changes(version=version))
    second = replay(decision=acted, changes=Changes(version=version))

    assert (first["cached"], second["cached"]) == (False, True)
    assert len(model.asked) == asked + 1
    assert first["summary"]["now"] == second["summary"]["now"] == "Nothing for me."
    assert {"kind": "new", "text": "Be brave."} in first["prompt"]
    assert all(item["now"] is None for item in first["items"])
    assert KnownAnswer.objects.count() == 1


def test_the_same_model_asked_the_same_again_costs_nothing_until_it_is_another():
    with fake_models.serving() as server:
        bot = rows.asking_bot(server.url)
        decision = rows.run(bot).decision
        same = Changes(model=bot.decider)
        assert replay(decision=decision, changes=same)["cached"]
        assert server.count == 1

        LanguageModel.objects.update(temperature="0.7")
        changed = replay(decision=decision, changes=same)

        assert not changed["cached"]
        assert server.count == 2
        assert replay(decision=decision, changes=same)["cached"]
        assert server.count == 2


def test_the_key_of_a_question_is_its_content_and_who_asks():
    prompt = Prompt("a", "b")
    key = partial(replaying.key, owner=1)

    assert key("m", prompt) == key("m", Prompt("a", "b"), {})
    others = {
        key("n", prompt), key("m", Prompt("ab", "")), key("m", prompt, {"t": 1}), key("m", prompt),
        key("m", prompt, owner=2),
    }  # fmt: skip
    assert len(others) == 5
    assert key("m", prompt, {"a": 1, "b": 2}) == key("m", prompt, {"b": 2, "a": 1})


def test_it_trades_nothing(acted):
    before = (Intent.objects.count(), Order.objects.count(), Decision.objects.count())

    replay(decision=acted, changes=Changes(model="house:buy_and_hold", rules_today=True))

    assert (Intent.objects.count(), Order.objects.count(), Decision.objects.count()) == before


def test_it_says_so_where_candles_are_gone(acted):
    Candle.objects.all().delete()
    lockstep.history.forget()

    found = replay(decision=acted)

    assert not found["identical"]
    assert found["prompt"]


def test_what_was_not_asked_cannot_be_replayed(acted):
    house = Decision.objects.filter(decider="house:buy_and_hold").first()
    with pytest.raises(NotReplayable, match="strategy in code"):
        replay(decision=house)
    Decision.objects.filter(pk=house.pk).update(gate="skipped", gate_reason="Nothing near.")
    with pytest.raises(NotReplayable, match="Nothing near"):
        replay(decision=Decision.objects.get(pk=house.pk))


def test_the_command_tells_people_and_programs(acted):
    said, out = StringIO(), StringIO()
    call_command("replay_decision", acted.pk, stdout=said)
    call_command("replay_decision", acted.pk, "--model", "house:buy_and_hold", "--rules", "today", "--json", stdout=out)

    assert "the same question, byte for byte" in said.getvalue()
    assert "Nothing differs." in said.getvalue()
    assert json.loads(out.getvalue())["rules"] == "today"
    with pytest.raises(CommandError, match="There is no decision"):
        call_command("replay_decision", 10**9)
    with pytest.raises(CommandError, match="no decider named"):
        call_command("replay_decision", acted.pk, "--model", "gpt-0")
    with pytest.raises(CommandError, match="There is no prompt version"):
        call_command("replay_decision", acted.pk, "--prompt", "77")


def test_a_page_asks_by_a_row_and_a_worker_answers(acted):
    good = Replay.objects.create(decision=acted, rules_today=True)
    bad = Replay.objects.create(decision=acted, model="gpt-0")

    assert replaying.run_asked() == 2
    assert replaying.run_asked() == 0

    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, bad.state) == ("done", "failed")
    assert good.result["rules"] == "today"
    assert "no decider named" in bad.error


def test_moments_of_holds_are_pruned_with_them(acted):
    feed = acted.bot.book.account.feed
    kept = Moment.objects.count()
    lockstep.drive(feed, 1)

    removed = retention.holds(days=0)

    assert removed[Decision] > 0
    assert Moment.objects.count() < kept
    assert Moment.objects.filter(decision=acted).exists()
