"""What a model did, cost and failed at, on the pages of its bot and decision and in the leaderboard and the API."""

from decimal import Decimal

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from bots.leaderboard import standings
from bots.models import Bot, Budget
from bots.tests import models, rows
from ledger.tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def bot(alice):
    made = rows.bot(alice, name="Deep", decider="model:fake/one")
    builders.quote()
    return made


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


def text(answer) -> str:
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.mark.requirement("BOT-07")
def test_a_decision_shows_everything_that_was_asked_and_answered(page, bot):
    decision = rows.decision(bot)
    first = models.call(bot, cycle=decision.cycle, answer="<b>hello</b>", state="answered")
    models.call(
        bot, cycle=decision.cycle, model=first.model, purpose="repair", attempt=2, state="unknown", cost=None,
        error="127.0.0.1 did not answer within 5 s.", error_code="timeout", input_tokens=None,
        messages=[{"role": "user", "content": "These items were refused"}],
    )  # fmt: skip

    shown = text(page.get(f"/decisions/{decision.pk}/"))

    for words in (
        "2 requests", "1. Question to fake · one", "2. Repair to fake · one", "0.0033 USD",
        "1 200 (1 000 cached)",
        "300 (120 reasoning)", "812", "req-7", "stop", "Decide.", "Thinking aloud.", "&lt;b&gt;hello&lt;/b&gt;",
        "did not answer within 5 s.", "These items were refused", "&quot;temperature&quot;: 0", "unknown",
    ):  # fmt: skip
        assert words in shown, words


def test_a_decision_of_a_strategy_shows_no_model(page, alice):
    assert "asked of the model" not in text(page.get(f"/decisions/{rows.decision(rows.bot(alice)).pk}/"))


@pytest.mark.requirement("SEC-02")
def test_nobody_elses_calls_are_shown(client, bob, bot):
    decision = rows.decision(bot)
    models.call(bot, cycle=decision.cycle)
    client.force_login(bob)

    assert client.get(f"/decisions/{decision.pk}/").status_code == 404


@pytest.mark.requirement("BOT-08")
def test_the_bots_page_says_what_is_wrong_what_was_spent_and_what_is_left(page, bot):
    Bot.objects.filter(pk=bot.pk).update(
        model_failures=3, model_trouble="Held: the key is not accepted.", model_trouble_at=timezone.now()
    )
    today = timezone.now().date()
    Budget.objects.create(
        owner=bot.owner, bot=bot, day=today, money=Decimal("0.25"), tokens=12_000, total_cost=Decimal(100)
    )

    shown = text(page.get(f"/bots/{bot.pk}/"))

    assert "the key is not accepted" in shown
    assert "3 times in a row" in shown
    assert "safe mode" in shown
    assert "0.25 of 5.00 USD" in shown
    assert "100.00" in shown
    assert "−1.00 %" in shown, "10,000 less 100 dollars of model"


@pytest.mark.requirement("LED-05")
def test_the_ranking_goes_by_what_is_left_after_the_model(page, alice, bot):
    plain = rows.bot(alice, name="Plain", book=builders.book(alice, cash=Decimal(10_050)))
    Bot.objects.filter(pk=bot.pk).update(book=builders.book(alice, cash=Decimal(10_100)))
    bot.refresh_from_db()
    Budget.objects.create(owner=alice, bot=bot, total_cost=Decimal(80))

    first, second = standings([bot, plain])

    assert (first.bot.name, second.bot.name) == ("Plain", "Deep")
    assert (second.rate, second.net_rate) == (Decimal("0.01"), Decimal("0.002"))
    assert "After model" in text(page.get("/leaderboard/"))


def test_without_models_there_is_no_column_for_them(page, alice):
    rows.bot(alice)

    assert "After model" not in text(page.get("/leaderboard/"))


def test_dollars_are_taken_from_no_other_currency(alice, bot):
    book = builders.book(alice, currency="BTC")
    Bot.objects.filter(pk=bot.pk).update(book=book)
    bot.refresh_from_db()
    Budget.objects.create(owner=alice, bot=bot, total_cost=Decimal(1))

    [line] = standings([bot])

    assert line.net_rate is None


@pytest.mark.requirement("BOT-07", "API-01")
def test_the_api_tells_the_calls_of_a_decision(alice, bot):
    decision = rows.decision(bot, held_because="timeout")
    models.call(bot, cycle=decision.cycle)
    api = APIClient()
    api.force_login(alice)

    row = api.get(f"/api/v1/decisions/{decision.pk}/").json()

    assert row["held_because"] == "timeout"
    [call] = row["calls"]
    assert (call["cost"], call["input_tokens"], call["cached_tokens"]) == ("0.0033", 1200, 1000)
    assert call["messages"] == [{"role": "system", "content": "Decide."}]
    assert "calls" not in api.get("/api/v1/decisions/").json()["results"][0]
