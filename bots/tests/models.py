"""Rows of providers and models for tests, beside a fake server; bots that ask it in a small market."""

from datetime import timedelta
from decimal import Decimal

from bots import cycle, dispatch
from bots.models import Bot, Cycle, LanguageModel, ModelCall, Provider
from bots.tests import lockstep, rows
from ledger.tests import builders

KEY = "sk-test-abcdefghijklmnopqrstuvwxyz"


def provider(url="http://127.0.0.1:9/v1", owner=None, **fields) -> Provider:
    """A provider at this address with a stored key."""
    made = Provider(owner=owner or builders.user(), base_url=url, **{"name": "fake"} | fields)
    made.keep(KEY)
    made.save()
    return made


def model(provider_=None, **fields) -> LanguageModel:
    """A model of 1, 0.1 and 10 dollars per million input, cached and output tokens."""
    defaults = {
        "name": "fake/one", "model_id": "one", "price_input": Decimal(1), "price_cached": Decimal("0.1"),
        "price_output": Decimal(10), "most_output": 900, "call_seconds": 20,
    }  # fmt: skip
    return LanguageModel.objects.create(provider=provider_ or provider(), **defaults | fields)


def call(bot=None, **fields) -> ModelCall:
    """An answered call of a bot, of a third of a cent, with a cycle unless one is given."""
    bot = bot or rows.bot()
    cycle_ = fields.pop("cycle", None) or rows.cycle(bot)
    chosen = fields.pop("model", None) or model(provider(owner=bot.owner))
    defaults = {
        "form": "schema", "state": "answered", "messages": [{"role": "system", "content": "Decide."}],
        "parameters": {"temperature": 0}, "answer": '{"items": []}', "reasoning": "Thinking aloud.",
        "input_tokens": 1200, "cached_tokens": 1000, "output_tokens": 300, "reasoning_tokens": 120,
        "cost": Decimal("0.0033"), "latency_ms": 812.5, "finish_reason": "stop", "request_id": "req-7",
        "day": builders.NOW.date(), "lease_until": builders.NOW, "created_at": builders.NOW, "ended_at": builders.NOW,
    }  # fmt: skip
    return ModelCall.objects.create(
        provider=chosen.provider,
        model=chosen,
        model_id_sent=chosen.model_id,
        bot=bot,
        cycle=cycle_,
        **defaults | fields,
    )


def asking_bot(url: str, **fields) -> Bot:
    """The demo's first bot, made to ask a model at this address; the other bots are paused."""
    feed = lockstep.market()
    bot = Bot.objects.on(feed).select_related("book__account__feed", "owner").order_by("pk").first()
    chosen = model(provider(url, owner=bot.owner))
    Bot.objects.exclude(pk=bot.pk).update(status="paused")
    # At every slot, whatever the triggers would say.
    defaults = {"decision_seconds": 60, "question_cap_minutes": 0}
    Bot.objects.filter(pk=bot.pk).update(decider=f"model:{chosen.name}", **defaults | fields)
    bot.refresh_from_db()
    return bot


def run(bot: Bot) -> Cycle:
    """One cycle of the bot, at its feed's present instant or at the next free one."""
    feed = bot.book.account.feed
    feed.refresh_from_db()
    Bot.objects.filter(pk=bot.pk).update(next_run_at=feed.market_now)
    claimed = dispatch.claim_due(feed=feed, now=feed.market_now)
    while not claimed:
        dispatch.instant(feed=feed, enqueue=lambda cycle_id: cycle.run(cycle_id=cycle_id))
        feed.refresh_from_db()
        Bot.objects.filter(pk=bot.pk).update(next_run_at=feed.market_now)
        claimed = dispatch.claim_due(feed=feed, now=feed.market_now)
    ran = cycle.run(cycle_id=claimed[0].pk, deadline=timedelta(seconds=60))
    assert ran is not None
    return Cycle.objects.select_related("decision", "bot").get(pk=ran.pk)
