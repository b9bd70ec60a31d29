"""`manage.py feed` chooses the market that the processes run, or lets none run."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from bots.models import Bot
from markets.models import Feed
from tradingsite.demo import USER

pytestmark = pytest.mark.django_db


def told(*arguments):
    out = StringIO()
    call_command("feed", *arguments, stdout=out)
    return out.getvalue()


def test_a_market_is_prepared_and_set_going_with_the_demo():
    said = told("simulated", "--demo", "--speed", "120", "--seed", "11")

    assert "SIMULATED · seed 11 · 120x" in said
    assert f"Sign in as {USER} once with this path of the site: /sign-in/" in said
    assert list(Feed.objects.running().values_list("seed", "speed")) == [(11, 120.0)]
    assert Bot.objects.count() == 4

    assert told("stop") == "The market stands still.\n"
    assert not Feed.objects.running().exists()
    assert told("stop") == "No market was running.\n"

    told("simulated", "--seed", "11")
    assert Feed.objects.running().get().speed == 120.0
    assert Bot.objects.count() == 4


@pytest.mark.parametrize(("arguments", "sentence"), [(["tea-leaves"], "There is no feed"), (["replay"], "import")])
def test_what_cannot_run_is_said_in_a_sentence(arguments, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("feed", *arguments)
    assert not Feed.objects.exists()
