"""How often and how long a bot has traded so far, for the lots of `house:random_like@<name of the bot>`.

It reads what has closed before this instant of the feed, so that a slot draws with the same chances whoever runs first.
"""

from collections.abc import Mapping

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Sum

from ledger.models import EquityPoint, Position
from markets.feeds import clock

from . import deciders
from .domain.frequency import frequency
from .models import Bot

LIKE = "@"
NAME = deciders.RANDOM_LIKE


def decider(bot: Bot) -> deciders.Decider:
    """The strategy in code that a bot names. Raises UnknownDecider, also where it names a bot that is not there."""
    name, _, other = bot.decider.partition(LIKE)
    if not other or name != NAME:
        return deciders.get(bot.decider)
    found = Bot.objects.filter(owner=bot.owner_id, name=other).exclude(pk=bot.pk).order_by("pk").first()
    if found is None:
        raise deciders.UnknownDecider(f"There is no other bot named «{other}» whose trades could be matched.")
    return deciders.get(NAME, chances(of=found, interval=bot.interval_seconds))


def choices(owner: int) -> list[str]:
    """The names under which each bot of an owner can be matched."""
    return [
        f"{NAME}{LIKE}{name}" for name in Bot.objects.filter(owner=owner).order_by("pk").values_list("name", flat=True)
    ]


def chances(*, of: Bot, interval: float) -> Mapping[str, float]:
    """Options of `house:random_like` that match the closed positions of a bot.

    Without any, or within its first slot, it never enters.
    """
    assert of.book.account is not None
    now, points = clock.now(of.book.account.feed), EquityPoint.objects.filter(book=of.book)
    began = points.order_by("at").values_list("at", flat=True).first() or now
    held = ExpressionWrapper(F("closed_at") - F("opened_at"), output_field=DurationField())
    closed = Position.objects.closed().filter(book=of.book, opened_at__isnull=False, closed_at__lt=now)
    sums = closed.aggregate(count=Count("id"), longs=Count("id", filter=Q(long=True)), held=Sum(held))
    slots = int((now - began).total_seconds() // interval)
    if not sums["count"] or slots < 1:
        return {"entry_chance": 0.0}
    found = frequency(
        positions=sums["count"],
        longs=sums["longs"],
        held=sums["held"].total_seconds(),
        slots=slots,
        interval=interval,
        instruments=max(of.instruments.count(), 1),
    )
    return {"entry_chance": found.entry_chance, "exit_chance": found.exit_chance, "long_share": found.long_share}
