"""Budgets, places and the journal of model calls: reserved before, settled after, whole after any death in between."""

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from bots import asking, reservations
from bots.deciders.language_model import Asked, Reply
from bots.deciders.language_models.troubles import Trouble
from bots.domain.prompt import Prompt
from bots.domain.usage import Prices, Usage, most_tokens
from bots.models import Budget, CallState, LanguageModel, ModelCall, Provider
from bots.reservations import Denied, Wanted
from bots.tests import fake_models, models, rows
from bots.tests.dying_asker import POINTS
from bots.tests.fake_models import says, slowly
from ledger.models import Book, BookKind, CashEntry

WALL = datetime(2026, 3, 2, 23, 59, tzinfo=UTC)
# Less than what a small question reserves, as it is with a real provider.
LITTLE = {"prompt_tokens": 150, "completion_tokens": 350}
USED = Usage(1200, 1000, 300, 120)


@pytest.fixture
def bot(alice):
    return rows.bot(alice)


@pytest.fixture
def model(alice):
    return models.model(models.provider(owner=alice))


def wanted(model, bot=None, **fields) -> Wanted:
    """A call that may use 2,000 tokens in and 900 out: at most 1.1 cents."""
    defaults = {"tokens_in": 2000, "tokens_out": 900, "seconds": 10, "messages": [], "parameters": {}, "form": "text"}
    return Wanted(model=model, bot=bot, **defaults | fields)


def replied(usage=USED) -> Asked:
    return Asked(12.5, reply=Reply("{}", usage=usage))


def settle(call, asked=None, wall=WALL):
    return reservations.settle(call=call, asked=asked or replied(), refused=None, wall=wall)


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db
def test_a_call_is_reserved_at_its_worst_and_settled_at_what_it_used(model, bot):
    call = reservations.reserve(wanted=wanted(model, bot), wall=WALL)

    budget = Budget.objects.get(bot=bot)
    assert (budget.tokens, budget.money) == (2900, Decimal("0.011"))
    settle(call)
    budget.refresh_from_db()
    assert (budget.tokens, budget.money, budget.day) == (1500, Decimal("0.0033"), WALL.date())
    assert Book.objects.get(kind=BookKind.MODEL_SPEND).cash == Decimal("-0.0033")


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db
@pytest.mark.parametrize("limit", [{"daily_tokens": 5000}, {"daily_money": Decimal("0.02")}])
@pytest.mark.parametrize("of_bot", [True, False], ids=["bot", "user"])
def test_a_call_that_does_not_fit_the_day_is_denied_and_leaves_no_trace(model, bot, limit, of_bot):
    reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    Budget.objects.filter(bot=bot if of_bot else None).update(**limit)
    before = list(Budget.objects.order_by("pk").values())

    with pytest.raises(Denied, match="is used up") as denied:
        reservations.reserve(wanted=wanted(model, bot), wall=WALL)

    assert denied.value.code == "budget"
    assert ("of all your bots" in denied.value.text) != of_bot
    assert list(Budget.objects.order_by("pk").values()) == before
    assert ModelCall.objects.count() == 1


@pytest.mark.django_db
def test_a_new_day_begins_empty_and_a_late_settlement_leaves_it_alone(model, bot):
    call = reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    reservations.reserve(wanted=wanted(model, bot), wall=WALL + timedelta(minutes=2))

    settle(call, wall=WALL + timedelta(minutes=3))

    budget = Budget.objects.get(bot=bot)
    assert (budget.tokens, budget.money) == (2900, Decimal("0.011"))
    assert budget.total_cost == Decimal("0.0033")


@pytest.mark.django_db
def test_a_definite_refusal_costs_nothing_and_an_unknown_fate_keeps_its_reservation(model, bot):
    first = reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    settle(first, Asked(5, trouble=Trouble("wrong_key", "No.")))
    assert Budget.objects.get(bot=bot).tokens == 0
    second = reservations.reserve(wanted=wanted(model, bot), wall=WALL)

    settle(second, Asked(5, trouble=Trouble("timeout", "Late.", sent=True)))

    budget = Budget.objects.get(bot=bot)
    assert (budget.tokens, budget.money, budget.unknown_costs) == (2900, Decimal("0.011"), 1)
    assert [one.state for one in ModelCall.objects.order_by("pk")] == [CallState.FAILED, CallState.UNKNOWN]
    assert not CashEntry.objects.exists()


@pytest.mark.django_db
def test_a_second_settlement_changes_nothing(model, bot):
    call = reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    settle(call)
    before = list(Budget.objects.order_by("pk").values())

    settle(call)

    assert list(Budget.objects.order_by("pk").values()) == before
    assert CashEntry.objects.count() == 1


@pytest.mark.django_db
def test_an_answer_after_the_sweep_corrects_what_was_taken_for_lost(model, bot):
    call = reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    late = call.lease_until + timedelta(seconds=1)
    assert reservations.sweep(wall=WALL) == 0
    assert reservations.sweep(wall=late) == 1
    lost = Budget.objects.get(bot=bot)
    assert (lost.tokens, lost.total_tokens, lost.unknown_costs) == (2900, 2900, 1)

    settle(call)

    known = Budget.objects.get(bot=bot)
    assert (known.tokens, known.total_tokens, known.unknown_costs) == (1500, 1500, 0)
    assert known.total_cost == Decimal("0.0033")


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db
def test_a_provider_has_so_many_places_and_a_dead_workers_is_free_again(model, bot):
    Provider.objects.update(most_calls=2)
    reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    call = reservations.reserve(wanted=wanted(model, bot), wall=WALL)

    with pytest.raises(Denied, match="All 2 places") as denied:
        reservations.reserve(wanted=wanted(model, bot), wall=WALL)

    assert denied.value.wait
    reservations.reserve(wanted=wanted(model, bot), wall=call.lease_until + timedelta(seconds=1))


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db
def test_the_breaker_opens_for_longer_and_lets_one_try(model, bot):
    down = Asked(5, trouble=Trouble("provider_down", "Down.", status=500))
    for _ in range(3):
        settle(reservations.reserve(wanted=wanted(model, bot), wall=WALL), down)
    with pytest.raises(Denied, match="rests until"):
        reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    later = WALL + timedelta(seconds=21)

    tried = reservations.reserve(wanted=wanted(model, bot), wall=later)
    with pytest.raises(Denied, match="rests until"):
        reservations.reserve(wanted=wanted(model, bot), wall=later)
    settle(tried, down, later)
    with pytest.raises(Denied):
        reservations.reserve(wanted=wanted(model, bot), wall=later + timedelta(seconds=30))

    settle(reservations.reserve(wanted=wanted(model, bot), wall=later + timedelta(seconds=41)))
    reservations.reserve(wanted=wanted(model, bot), wall=later + timedelta(seconds=42))


@pytest.mark.django_db(transaction=True)
def test_many_threads_never_take_more_than_the_budget_has(model, bot):
    reservations.reserve(wanted=wanted(model, bot), wall=WALL)
    Budget.objects.filter(bot=bot).update(daily_tokens=2900 * 5)
    Provider.objects.update(most_calls=100)
    got = []

    def take():
        try:
            got.append(reservations.reserve(wanted=wanted(model, bot), wall=WALL))
        except Denied as denied:
            got.append(denied.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=take) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert got.count("budget") == 8
    assert Budget.objects.get(bot=bot).tokens == 2900 * 5


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db(transaction=True)
def test_calls_wait_for_a_place_over_all_threads(model, bot):
    with fake_models.serving(slowly(0.3)) as server:
        Provider.objects.update(base_url=server.url, most_calls=2)
        found = []

        def ask():
            question = asking.Question(Prompt("Hold.", "Now."), {}, [LanguageModel.objects.get()], seconds=20)
            found.append(asking.answer(question))
            connection.close()

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [one.code for one in found] == [""] * 6
    assert server.most_inside <= 2


def place() -> dict[str, str]:
    """The environment of another process on this test's database."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        host, port = database["HOST"] or "127.0.0.1", database["PORT"] or 5432
        user = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
        url = f"postgres://{user}@{host}:{port}/{database['NAME']}"
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    own = {"DATABASE_URL": url, "CREDENTIALS_KEYS": ",".join(settings.CREDENTIALS_KEYS), "ENVIRONMENT": "development"}
    return kept | own


def kill(bot, count: int, folder: Path) -> dict[str, int]:
    """Ask `count` times, dying at each point in turn; how many died where."""
    command = [sys.executable, "-m", "bots.tests.dying_asker", str(bot.pk), str(count)]
    ended = subprocess.run(
        command, cwd=settings.BASE_DIR, env=place() | {"DATA_DIR": str(folder)}, capture_output=True, text=True,
        timeout=280,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def check_whole(server, bot) -> None:
    """Nothing leaks, nothing is overdrawn, and the journal has what was settled."""
    reservations.sweep(wall=datetime.now(UTC) + timedelta(hours=1))
    calls = list(ModelCall.objects.all())
    assert not [call for call in calls if call.state == CallState.ASKING]
    counted = sum(500 if call.state == CallState.ANSWERED else call.reserved_tokens for call in calls)
    known = sum((call.cost for call in calls if call.cost is not None), Decimal(0))
    for budget in Budget.objects.all():
        assert budget.tokens == budget.total_tokens == counted
        assert budget.total_cost == known
        assert budget.daily_tokens is None or budget.tokens <= budget.daily_tokens
    assert sum(entry.amount for entry in CashEntry.objects.filter(kind="model_spend")) == -known
    # What the provider really worked is never more than what was counted.
    assert server.count * 500 <= counted
    assert not ModelCall.objects.in_flight(datetime.now(UTC)).exists()


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("count", [len(POINTS), pytest.param(100, marks=pytest.mark.slow)])
def test_killed_anywhere_no_budget_is_overdrawn_and_none_leaks(model, bot, tmp_path, count):
    Bot = type(bot)
    Bot.objects.filter(pk=bot.pk).update(decider=f"model:{model.name}")
    with fake_models.serving(slowly(0.05, says(fake_models.HOLD, usage=LITTLE))) as server:
        Provider.objects.update(base_url=server.url, most_calls=1000)

        died = kill(bot, count, tmp_path)

        assert sum(died.values()) == count
        assert died == dict.fromkeys(POINTS, count // len(POINTS))
        check_whole(server, bot)


@pytest.mark.requirement("BOT-08")
@pytest.mark.django_db(transaction=True)
def test_a_budget_that_is_nearly_used_up_holds_while_processes_die(model, bot, tmp_path):
    type(bot).objects.filter(pk=bot.pk).update(decider=f"model:{model.name}")
    Budget.objects.create(owner=bot.owner, bot=bot, daily_tokens=5000)
    with fake_models.serving(slowly(0.05, says(fake_models.HOLD, usage=LITTLE))) as server:
        Provider.objects.update(base_url=server.url, most_calls=1000)

        kill(bot, 10, tmp_path)

        check_whole(server, bot)
        assert 0 < server.count * 500 <= 5000


def test_prices_are_decimal_and_round_up():
    prices = Prices(Decimal("0.25"), Decimal("0.025"), Decimal(2), None)

    assert prices.cost(USED) == Decimal("0.000675")
    assert prices.cost(Usage(1, 0, 0, 0)) == Decimal("0.00000025")
    assert Prices(Decimal(1), None, None, None).cost(USED) is None
    assert Prices(Decimal(1), None, Decimal(2), Decimal(4)).cost(Usage(0, 0, 10, 4)) == Decimal("0.000028")
    assert prices.worst(2000, 900) >= prices.cost(Usage(2000, 0, 900, 900))


def test_the_estimate_is_above_what_dense_numbers_are():
    """Measured: the densest numeric prompts have 1.8 characters a token."""
    assert most_tokens(1800) > 1000
