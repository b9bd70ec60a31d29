"""Cycles of a bot that asks a model over HTTP: answers, the ladder, repeats, fallbacks, repair, orderly holds."""

import json
from decimal import Decimal

import pytest

from bots.models import Bot, Budget, CallState, CycleStatus, FallbackModel, LanguageModel, ModelCall, Provider
from bots.tests import fake_models, models
from bots.tests.fake_models import completion, cut, raw, refuses, says, slowly, status
from ledger.models import Book, BookKind, CashEntry, Intent, Position
from markets.models import Quote

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with fake_models.serving() as running:
        yield running


@pytest.fixture
def bot(server) -> Bot:
    return models.asking_bot(server.url)


def entry(bot: Bot, **fields) -> dict:
    """A sound long of the bot's first instrument."""
    instrument = bot.instruments.order_by("pk").first()
    mark = Quote.objects.get(feed=bot.book.account.feed, instrument=instrument).mark
    sound = {
        "symbol": instrument.symbol, "action": "open_long", "conviction": 0.8, "stop": float(mark * Decimal("0.98")),
        "target": float(mark * Decimal("1.06")), "reason": "The trend is up.",
    }  # fmt: skip
    return sound | fields


def answer(*items) -> dict:
    return {"summary": "As I see it.", "items": list(items)}


@pytest.mark.requirement("BOT-03", "BOT-07")
def test_an_answer_is_judged_traded_and_recorded_to_the_cent(server, bot):
    server.then(says(answer(entry(bot)), reasoning="Thinking."))

    ran = models.run(bot)

    assert ran.status == CycleStatus.DONE
    assert ran.decision.acted
    assert ran.decision.held_because == ""
    assert Intent.objects.filter(book=bot.book).count() == 1
    [call] = ModelCall.objects.all()
    assert (call.state, call.purpose, call.attempt, call.form) == (CallState.ANSWERED, "ask", 1, "schema")
    assert call.cycle_id == ran.pk
    assert [one["role"] for one in call.messages] == ["system", "user"]
    assert json.loads(call.answer)["summary"] == "As I see it."
    assert (call.reasoning, call.finish_reason, call.request_id) == ("Thinking.", "stop", "req-7")
    # 200 uncached at 1, 1000 cached at 0.1, 300 out at 10 dollars per million.
    assert call.cost == Decimal("0.0033")
    assert call.latency_ms > 0
    assert call.parameters["response_format"] == "json_schema"


@pytest.mark.requirement("BOT-08", "LED-04")
def test_the_cost_is_booked_once_in_the_users_own_book(server, bot):
    models.run(bot)

    book = Book.objects.get(owner=bot.owner, kind=BookKind.MODEL_SPEND)
    [posted] = CashEntry.objects.filter(book=book)
    assert (book.account_id, book.currency, book.deposited) == (None, "USD", 0)
    assert book.cash == posted.amount == Decimal("-0.0033")
    assert posted.ref == f"call:{ModelCall.objects.get().pk}"
    own = Budget.objects.get(bot=bot)
    everything = Budget.objects.get(bot=None)
    for budget in (own, everything):
        assert (budget.tokens, budget.money, budget.total_cost) == (1500, Decimal("0.0033"), Decimal("0.0033"))


def test_the_key_is_in_no_row(server, bot):
    server.then(status(401, message=f"Incorrect API key provided: {models.KEY}"))

    ran = models.run(bot)

    everywhere = json.dumps(
        [list(model.objects.values()) for model in (ModelCall, Provider, LanguageModel)], default=str
    )
    assert models.KEY not in everywhere + ran.decision.summary
    assert Provider.objects.get().key == models.KEY


@pytest.mark.requirement("BOT-04")
def test_forms_and_parameters_the_provider_refuses_are_given_up_and_remembered(server, bot):
    server.then(refuses("response_format"), refuses("max_completion_tokens"), refuses("response_format"))

    ran = models.run(bot)
    again = models.run(bot)

    assert ran.status == again.status == CycleStatus.DONE
    assert LanguageModel.objects.get().refused == ["schema", "max_completion_tokens", "json"]
    assert list(ModelCall.objects.order_by("pk").values_list("form", "state")) == [
        ("schema", "failed"), ("json", "failed"), ("json", "failed"), ("tool", "answered"), ("tool", "answered"),
    ]  # fmt: skip
    assert server.count == 5, "what was refused once is not sent again"
    assert ran.decision.held_because == ""


@pytest.mark.requirement("BOT-04")
def test_refused_items_are_asked_about_once_and_the_good_ones_stand(server, bot):
    first, second = bot.instruments.order_by("pk")[:2]
    bad = entry(bot, symbol=second.symbol, stop=10**9)
    server.then(says(answer(entry(bot), bad)), says(answer({"symbol": second.symbol, "action": "hold"})))

    ran = models.run(bot)

    assert server.count == 2
    question = server.requests[1]["messages"][-1]["content"]
    assert second.symbol in question
    assert first.symbol not in question
    assert [call.purpose for call in ModelCall.objects.order_by("pk")] == ["ask", "repair"]
    items = {item.symbol: item.outcome for item in ran.decision.items.all()}
    assert items == {first.symbol: "planned", second.symbol: "held"}


@pytest.mark.requirement("BOT-04")
def test_a_second_answer_changes_nothing_that_stood(server, bot):
    first, second = bot.instruments.order_by("pk")[:2]
    bad = entry(bot, symbol=second.symbol, stop=10**9)
    server.then(
        says(answer({"symbol": first.symbol, "action": "hold"}, bad)),
        says(answer(entry(bot), {"symbol": second.symbol, "action": "hold"})),
    )

    ran = models.run(bot)

    assert {item.symbol: item.outcome for item in ran.decision.items.all()} == {
        first.symbol: "held", second.symbol: "held"
    }  # fmt: skip


@pytest.mark.requirement("BOT-04")
def test_an_unreadable_answer_is_asked_for_once_more_and_then_held(server, bot):
    server.then(says("I would rather not."), says("Still not."))

    ran = models.run(bot)

    assert server.count == 2
    assert (ran.status, ran.decision.held_because) == (CycleStatus.DONE, "unreadable")
    assert "no JSON" in ran.decision.summary
    bot.refresh_from_db()
    assert bot.model_failures == 1
    assert "no JSON" in bot.model_trouble


def test_an_answer_that_ran_into_its_limit_says_so(server, bot):
    server.then(says('{"summary": "x", "items": [{"symbol"', finish="length"), says("{", finish="length"))

    assert "cut off at the model's limit" in models.run(bot).decision.summary


@pytest.mark.requirement("BOT-08")
def test_troubles_that_pass_are_waited_for(server, bot):
    server.then(status(429, {"retry-after": "0.3"}), status(503), says(answer()))

    ran = models.run(bot)

    assert ran.decision.held_because == ""
    assert [call.error_code for call in ModelCall.objects.order_by("pk")] == ["rate_limit", "provider_down", ""]
    assert server.requests[1]["at"] - server.requests[0]["at"] >= 0.3
    assert Provider.objects.get().failures == 0


@pytest.mark.requirement("BOT-08")
@pytest.mark.parametrize(
    ("behaviour", "code", "requests"),
    [
        (status(401), "wrong_key", 1),
        (status(404), "unknown_model", 1),
        (status(429, code="insufficient_quota"), "quota", 1),
        (status(429, {"retry-after": "3600"}), "rate_limit", 1),
        (status(400, code="context_length_exceeded"), "too_long_question", 1),
        (status(500), "provider_down", 3),
        (cut(), "cut_connection", 3),
        (raw(b"<html>"), "unreadable_reply", 1),
        (slowly(120), "timeout", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_a_provider_does_the_cycle_is_an_orderly_hold(server, bot, behaviour, code, requests):
    LanguageModel.objects.update(call_seconds=2)
    server.otherwise = behaviour

    ran = models.run(bot)

    assert (ran.status, ran.decision.held_because, ran.error) == (CycleStatus.DONE, code, "")
    assert ran.decision.summary.startswith("Held: ")
    assert not ran.decision.acted
    assert server.count == requests
    assert ModelCall.objects.filter(state=CallState.ASKING).count() == 0
    bot.refresh_from_db()
    assert (bot.model_failures, bot.model_trouble) == (1, ran.decision.summary[:400])


@pytest.mark.requirement("BOT-08")
def test_a_decision_ends_within_its_time(server, bot):
    Bot.objects.filter(pk=bot.pk).update(decision_seconds=5)
    bot.refresh_from_db()
    LanguageModel.objects.update(call_seconds=100)
    server.otherwise = slowly(120)

    ran = models.run(bot)

    assert (ran.status, ran.decision.held_because) == (CycleStatus.DONE, "timeout")
    assert server.inside == 1, "it waited for the server instead of its own time"


@pytest.mark.requirement("BOT-03")
def test_the_next_model_is_asked_when_one_fails(server, bot):
    with fake_models.serving(says(answer(entry(bot)))) as other:
        second = models.model(models.provider(other.url, owner=bot.owner, name="other"), name="other/two")
        FallbackModel.objects.create(bot=bot, model=second)
        server.otherwise = status(401)

        ran = models.run(bot)

    assert ran.decision.acted
    assert list(ModelCall.objects.order_by("pk").values_list("purpose", "error_code")) == [
        ("ask", "wrong_key"), ("fallback", ""),
    ]  # fmt: skip


@pytest.mark.requirement("BOT-08")
def test_a_provider_in_trouble_rests_and_is_tried_again_by_one(server, bot):
    server.otherwise = status(500)

    models.run(bot)
    resting = Provider.objects.get()
    held = models.run(bot)

    assert resting.failures == 3
    assert server.count == 3, "a resting provider is not asked"
    assert held.decision.held_because == "resting"
    assert "rests until" in held.decision.summary
    Provider.objects.update(resting_until=None)
    server.otherwise = None
    assert models.run(bot).decision.held_because == ""
    assert Provider.objects.get().failures == 0


@pytest.mark.requirement("BOT-08", "RSK-03")
def test_safe_mode_allows_no_entry_until_the_model_has_answered(server, bot):
    Bot.objects.filter(pk=bot.pk).update(model_failures=3)
    bot.refresh_from_db()
    server.otherwise = says(answer(entry(bot)))

    first, then = models.run(bot), models.run(bot)

    [item] = first.decision.items.all()
    assert (item.outcome, item.verdicts[-1]["code"]) == ("refused", "safe_mode")
    assert then.decision.acted
    assert server.count == 2, "nothing that a model cannot mend is asked about"


@pytest.mark.requirement("BOT-08", "RSK-03")
def test_safe_mode_lets_exits_and_adjustments_pass(server, bot):
    server.then(says(answer(entry(bot))))
    models.run(bot)
    held = Position.objects.get(book=bot.book, state="open")
    Bot.objects.filter(pk=bot.pk).update(model_failures=3)
    server.then(says(answer({"symbol": held.instrument.symbol, "action": "close", "reason": "Enough."})))

    ran = models.run(bot)

    assert ran.decision.acted
    held.refresh_from_db()
    assert held.state == "closed"


def test_a_model_that_is_not_there_is_a_hold_in_words(bot):
    Bot.objects.filter(pk=bot.pk).update(decider="model:nobody")

    ran = models.run(bot)

    assert (ran.status, ran.decision.held_because) == (CycleStatus.DONE, "no_model")
    assert "'nobody'" in ran.decision.summary


def test_another_users_model_is_not_found(server, bot, bob):
    models.model(models.provider(server.url, owner=bob), name="bobs")
    Bot.objects.filter(pk=bot.pk).update(decider="model:bobs")

    assert models.run(bot).decision.held_because == "no_model"
    assert server.count == 0


def test_a_model_without_prices_costs_an_unknown_amount(server, bot):
    LanguageModel.objects.update(price_input=None)

    models.run(bot)

    assert ModelCall.objects.get().cost is None
    assert Budget.objects.get(bot=bot).unknown_costs == 1
    assert not CashEntry.objects.filter(kind="model_spend").exists()


def test_an_answer_without_usage_keeps_its_reservation(server, bot):
    server.then(raw(json.dumps(completion(json.dumps(answer()), usage=None)).encode()))

    models.run(bot)

    call, budget = ModelCall.objects.get(), Budget.objects.get(bot=bot)
    assert (call.cost, call.input_tokens) == (None, None)
    assert (budget.tokens, budget.money) == (call.reserved_tokens, call.reserved_money)
