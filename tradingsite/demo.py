"""The first start's demo set: a user, policies, and four house bots with a paper account each, on one feed.

For each provider of language models with a key in the environment there is one bot more, named after it. It adds what
is missing and touches nothing that is there, but for one thing: where the environment names another model, the bot of
that provider follows.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction

from bots import providers, reservations
from bots.domain.policy import PRESETS
from bots.models import Bot, BotStatus, LanguageModel, RiskPolicy
from ledger import accounts
from ledger.models import User
from markets.models import Feed, Instrument

USER = "demo"
CAPITAL = Decimal(10_000)
MOST_INSTRUMENTS = 6
# A model costs money by wall time, and the demo's market runs many times faster.
MODEL_INTERVAL_SECONDS = 900
# Name, decider, monogram, place in the set of colours.
BOTS = (
    ("Trend", "house:trend", "TR", 0),
    ("Mean reversion", "house:mean_reversion", "MR", 1),
    ("Buy and hold", "house:buy_and_hold", "BH", 2),
    ("Random", "house:random", "RA", 3),
)


@transaction.atomic
def ensure(feed: Feed) -> User:
    """The demo user with bots on `feed`; bots are made only where the user has none there yet."""
    user, made = User.objects.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    if made:
        user.set_unusable_password()
        user.save()
    policies = {name: _policy(user, name) for name in PRESETS}
    if not Bot.objects.of(user).on(feed).exists():
        instruments = _instruments(feed)
        for name, decider, monogram, colour in BOTS:
            _bot(user, feed, instruments, policies["balanced"], name, decider, monogram, colour)
    for place, (name, given) in enumerate(sorted(settings.PROVIDERS.items())):
        model = providers.set_up(
            owner=user, name=name, base_url=given.get("base_url", ""), model_id=given.get("model", "")
        )
        if model is not None:
            _model_bot(user, feed, policies["balanced"], name, model, "model" in given, len(BOTS) + place)
    return user


def _model_bot(
    user: User, feed: Feed, policy: RiskPolicy, name: str, model: LanguageModel, named: bool, place: int
) -> None:
    """The bot that asks a provider. `named`: the environment names the model, so the bot follows it."""
    decider = f"model:{model.name}"
    there = Bot.objects.of(user).on(feed).filter(name=name).first()
    if there is None:
        bot = _bot(user, feed, _instruments(feed), policy, name, decider, name[:2].upper(), place % 8)
        Bot.objects.filter(pk=bot.pk).update(interval_seconds=MODEL_INTERVAL_SECONDS)
        reservations.make_budgets(owner_id=user.pk, bot=bot)
    elif named and there.decider != decider and there.decider.startswith(f"model:{name}/"):
        Bot.objects.filter(pk=there.pk).update(decider=decider)


def _policy(user: User, name: str) -> RiskPolicy:
    limits = {field: value for field, value in asdict(PRESETS[name]).items() if field not in ("name", "version")}
    return RiskPolicy.objects.get_or_create(owner=user, name=name, defaults=limits)[0]


def _instruments(feed: Feed) -> list[Instrument]:
    quoted = Instrument.objects.filter(exchange=feed.exchange, active=True, pk__in=feed.quotes.values("instrument"))
    return list(quoted.order_by("pk")[:MOST_INSTRUMENTS])


def next_minute(at: datetime) -> datetime:
    """On a live market slots begin on full minutes, when candles close."""
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _bot(
    user: User,
    feed: Feed,
    instruments: list[Instrument],
    policy: RiskPolicy,
    name: str,
    decider: str,
    monogram: str,
    colour: int,
) -> Bot:
    assert feed.market_now is not None
    account = accounts.open_paper_account(
        owner=user,
        name=f"Paper {name}",
        feed=feed,
        deposit=CAPITAL,
        currency=instruments[0].settle,
        at=feed.market_now,
    )
    book = accounts.open_book(account=account, name=name, capital=CAPITAL, at=feed.market_now)
    bot = Bot.objects.create(
        owner=user,
        name=name,
        book=book,
        policy=policy,
        decider=decider,
        seed=feed.seed,
        status=BotStatus.RUNNING,
        next_run_at=feed.market_now if feed.lock_step else next_minute(feed.market_now),
        monogram=monogram,
        colour=colour,
    )
    bot.instruments.set(instruments)
    return bot
