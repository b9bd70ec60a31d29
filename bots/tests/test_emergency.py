"""Emergency close without a model, of a bot, an account, everything; and the question close or keep."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from bots import control
from bots.domain import emergency
from bots.domain.decisions import parse
from bots.models import Bot, BotStatus, Cycle, Decision, Trigger
from bots.prompts import shipped
from bots.tests import lockstep, prompts, rows
from bots.tests import stand_in as models
from ledger import tokens
from ledger.models import Book, Position, TradingState
from ledger.tests import builders

pytestmark = pytest.mark.requirement("BOT-06")


# --- The question


def test_the_prompt_tells_only_what_is_held():
    prompt = emergency.render(prompts.six(), shipped("emergency"))

    for name in ("BTC", "ETH", "DOGE"):
        assert f"{name}/USDT:USDT price" in prompt.user
        assert f"{name} long" in prompt.user
    assert "SOL/USDT:USDT price" not in prompt.user
    assert "open_long" not in prompt.system
    assert prompts.counted(prompt.system) + prompts.counted(prompt.user) < 1_700


def test_the_schema_leaves_closing_and_holding():
    schema = emergency.schema(["BTC/USDT:USDT"])
    item = schema["properties"]["items"]["items"]

    assert item["properties"]["action"]["enum"] == ["close", "hold"]
    assert item["properties"]["symbol"]["enum"] == ["BTC/USDT:USDT"]
    assert item["additionalProperties"] is schema["additionalProperties"] is False
    json.dumps(schema)


def test_whatever_is_answered_only_exits_stand():
    known = {"A", "B", "C", "D", "E"}
    raw = {"items": [
        {"symbol": "A", "action": "close"}, {"symbol": "B", "action": "hold"},
        {"symbol": "C", "action": "open_long", "conviction": 1, "stop": 1},
        {"symbol": "D", "action": "reduce", "reduce_share": 0.5}, {"symbol": "E", "action": "adjust_exits", "stop": 1},
    ]}  # fmt: skip

    left = emergency.only_exits(parse(raw, known=known))

    assert [(item.symbol, item.action) for item in left.items] == [("A", "close"), ("B", "hold")]
    assert [(item.symbol, item.refusal.code) for item in left.refused] == [(name, "emergency") for name in "CDE"]


def test_a_briefing_without_positions_makes_a_prompt_too():
    told = prompts.six()
    flat = replace(told, portfolio=replace(told.portfolio, positions=()))

    assert "no positions" in emergency.render(flat, shipped("emergency")).user


@pytest.mark.django_db(transaction=True)
def test_a_model_is_asked_close_or_keep_at_the_next_instant(monkeypatch):
    feed = lockstep.market()
    model = models.install(monkeypatch, models.TestModel())
    holder = Bot.objects.get(decider="house:buy_and_hold")
    lockstep.drive(feed, 2)
    Bot.objects.filter(pk=holder.pk).update(decider=models.NAME, status=BotStatus.PAUSED)
    held = list(Position.objects.open().filter(book=holder.book).values_list("instrument__symbol", flat=True))
    assert len(held) > 1
    model.answer = lambda briefing: {
        "summary": "Out of one, and into another.",
        "items": [
            {"symbol": held[0], "action": "close", "reason": "Broken."},
            {"symbol": held[1], "action": "add", "conviction": 1, "reason": "More!"},
        ],
    }

    control.emergency(bot=Bot.objects.get(pk=holder.pk), by=None)
    lockstep.drive(feed, 2)

    decision = Decision.objects.filter(bot=holder).latest("id")
    assert decision.cycle.trigger == Trigger.EMERGENCY
    assert decision.moment.system.startswith(shipped("emergency").text)
    items = {item.symbol: item for item in decision.items.all()}
    assert items[held[0]].outcome == "planned"
    assert items[held[1]].outcome == "refused"
    assert items[held[1]].verdicts[0]["code"] == "emergency"
    left = set(Position.objects.open().filter(book=holder.book).values_list("instrument__symbol", flat=True))
    assert left == set(held[1:])


@pytest.mark.django_db
def test_a_bot_that_holds_nothing_is_not_asked(alice):
    bot = rows.bot(alice)
    with pytest.raises(control.NotPossible, match="holds nothing"):
        control.emergency(bot=bot, by=alice)
    assert not Cycle.objects.exists()


# --- Close without a model


@pytest.fixture
def two(alice):
    """Two bots of Alice on accounts of their own, each with a position, and one of Bob's."""
    builders.quote()
    bots = [rows.bot(alice, status=BotStatus.RUNNING) for _ in range(2)]
    for bot in bots:
        builders.position(bot.book)
    return bots


def issued(user, scope) -> str:
    return tokens.issue(user=user, scope=scope, name=scope, now=datetime.now(UTC))


def flattening(bot) -> bool:
    bot.refresh_from_db()
    book = Book.objects.get(pk=bot.book_id)
    return bot.status == BotStatus.PAUSED and book.flatten_requested_at is not None


@pytest.mark.django_db
def test_an_account_is_closed_with_all_its_books(two, alice):
    first, second = two
    control.flatten_account(account=first.book.account, by=alice)

    assert flattening(first)
    assert not flattening(second)
    asked = Book.objects.filter(account=first.book.account)
    assert all(book.flatten_requested_at for book in asked)
    assert TradingState.objects.current().get(book=first.book).reason.endswith("asked for by alice")


@pytest.mark.django_db(transaction=True)
def test_the_guardian_closes_what_an_account_held():
    feed = lockstep.market()
    lockstep.drive(feed, 2)
    holder = Bot.objects.get(decider="house:buy_and_hold")
    assert Position.objects.open().filter(account=holder.book.account).exists()

    control.flatten_account(account=holder.book.account, by=None)
    lockstep.drive(feed, 2)

    assert not Position.objects.open().filter(account=holder.book.account).exists()


@pytest.mark.django_db
def test_pages_say_their_numbers_and_then_do_it(two, alice, client):
    client.force_login(alice)
    first, second = two
    html = client.get(f"/accounts/{first.book.account_id}/flatten/confirm/").content.decode()
    assert "<b>1</b> bot is paused" in html
    assert "Close 1 position" in html
    assert "Close 2 positions" in client.get("/accounts/flatten/confirm/").content.decode()
    assert "Flatten everything…" in client.get("/accounts/").content.decode()
    assert not flattening(first)

    assert client.post(f"/accounts/{first.book.account_id}/flatten/").status_code == 302
    assert (flattening(first), flattening(second)) == (True, False)
    client.post("/accounts/flatten/")
    assert flattening(second)


@pytest.mark.django_db
def test_nobody_closes_what_belongs_to_others(two, bob, client):
    client.force_login(bob)
    account = two[0].book.account_id
    assert client.get(f"/accounts/{account}/flatten/confirm/").status_code == 404
    assert client.post(f"/accounts/{account}/flatten/").status_code == 404
    client.post("/accounts/flatten/")
    assert client.get(f"/accounts/{account}/flatten/").status_code == 405
    assert not any(flattening(bot) for bot in two)


@pytest.mark.django_db
def test_the_api_closes_with_a_token_that_may_trade(two, alice, bob):
    first, second = two
    reader, trader, stranger = APIClient(), APIClient(), APIClient()
    reader.credentials(HTTP_AUTHORIZATION=f"Token {issued(alice, 'read')}")
    trader.credentials(HTTP_AUTHORIZATION=f"Token {issued(alice, 'trade')}")
    stranger.credentials(HTTP_AUTHORIZATION=f"Token {issued(bob, 'trade')}")

    assert reader.post(f"/api/v1/bots/{first.pk}/flatten/").status_code == 403
    assert stranger.post(f"/api/v1/bots/{first.pk}/flatten/").status_code == 404
    assert stranger.post(f"/api/v1/accounts/{first.book.account_id}/flatten/").status_code == 404
    assert not flattening(first)
    assert trader.post(f"/api/v1/bots/{first.pk}/emergency/").status_code == 202
    assert trader.post(f"/api/v1/bots/{first.pk}/emergency/").status_code == 409
    assert trader.post(f"/api/v1/bots/{first.pk}/flatten/").status_code == 202
    assert (flattening(first), flattening(second)) == (True, False)
    assert trader.post(f"/api/v1/accounts/{second.book.account_id}/flatten/").status_code == 202
    assert flattening(second)
    assert trader.post("/api/v1/accounts/flatten/").status_code == 202


@pytest.mark.django_db
def test_the_command_closes_a_bot_an_account_everything(two, capsys):
    first, second = two
    call_command("flatten", "--bot", str(first.pk))
    assert (flattening(first), flattening(second)) == (True, False)
    call_command("flatten", "--account", str(second.book.account_id))
    assert flattening(second)
    call_command("flatten", "--all")
    assert "its bots are paused" in capsys.readouterr().out
    call_command("flatten", "--bot", str(first.pk), "--ask")
    assert Cycle.objects.get().trigger == Trigger.EMERGENCY
    for wrong in (["--account", "999"], ["--all", "--ask"], ["--bot", "nobody"]):
        with pytest.raises(CommandError):
            call_command("flatten", *wrong)
