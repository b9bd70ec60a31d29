"""`manage.py run_bot`: one cycle in the terminal, said step by step."""

import json

import pytest
from django.core.management import CommandError, call_command

from bots.models import Bot, Cycle
from bots.steps import STEPS
from bots.tests import lockstep
from markets import driving
from markets.models import Feed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.requirement("BOT-02")
def test_it_prints_the_eleven_steps_and_the_verdicts(capsys):
    lockstep.market()

    call_command("run_bot", "buy and hold")

    printed = capsys.readouterr().out
    assert all(f"{number:3}  {name}" in printed for number, name in enumerate(STEPS, 1))
    assert "open_long BTC/USDT:USDT: planned." in printed
    assert "allow  risk_per_trade" in printed


def test_json_is_one_object_alone(capsys):
    lockstep.market()

    call_command("run_bot", "Trend", "--json")

    told = json.loads(capsys.readouterr().out)
    assert (told["bot"], told["status"], len(told["steps"])) == ("Trend", "done", 11)
    assert {item["outcome"] for item in told["items"]} <= {"planned", "shrunk", "refused", "held"}


def test_a_second_run_moves_the_market_one_step():
    feed = lockstep.market()
    call_command("run_bot", "Trend", "--json")
    call_command("run_bot", "Trend", "--json")

    slots = list(Cycle.objects.filter(bot__name="Trend").order_by("slot").values_list("slot", flat=True))
    assert slots == [feed.market_now, Feed.objects.get().market_now]


def test_an_unknown_name_is_answered_with_the_nearest():
    lockstep.market()
    with pytest.raises(CommandError, match=r"There is no bot «Trand»\. Did you mean Trend"):
        call_command("run_bot", "Trand")


def test_a_failed_cycle_is_an_error():
    lockstep.market()
    Bot.objects.filter(name="Trend").update(decider="house:nobody")
    with pytest.raises(CommandError, match="The cycle ended as failed"):
        call_command("run_bot", "Trend", "--json")


def test_a_market_that_is_driven_elsewhere_is_waited_for(monkeypatch):
    monkeypatch.setattr(driving.held.__wrapped__, "__defaults__", (0.3,))
    feed = lockstep.market()
    with driving.lease(feed), pytest.raises(CommandError, match="driven by another process"):
        call_command("run_bot", "Trend")
