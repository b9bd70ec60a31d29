"""Claims the bots that are due: their next slot moves in the transaction that queues their cycles.

A cycle is unique for bot and slot, so of two dispatchers that claim at once only one has something to run.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import transaction

from ledger.models import Position
from markets.models import Feed
from markets.updates import update_rows

from . import schedules
from .models import Bot, Cycle

_READ = ("next_run_at", "interval_seconds", "position_interval_seconds", "crontab", "skipped_slots", "book__account")


@transaction.atomic
def claim_due(*, feed: Feed, now: datetime) -> list[Cycle]:
    """Move the due bots to their next slot and queue a cycle for each, in one transaction.

    A bot that is late runs once, for its latest slot; the slots before are counted as skipped.
    """
    due = Bot.objects.on(feed).due(now).select_for_update(of=("self",)).select_related("book").order_by("pk")
    bots = list(due.only(*_READ))
    if not bots:
        return []
    holding = _holding(bots)
    slots = {bot.pk: schedules.latest(bot, now, holding=bot.book_id in holding) for bot in bots}
    later = Cycle.objects.filter(bot__in=list(slots), slot__gte=min(slot for slot, _, _ in slots.values()))
    asked = set(later.values_list("bot", "slot"))
    wall = datetime.now(UTC)
    cycles = [
        Cycle(bot=bot, slot=slots[bot.pk][0], queued_at=wall) for bot in bots if (bot.pk, slots[bot.pk][0]) not in asked
    ]
    Cycle.objects.bulk_create(cycles)
    if feed.lock_step:
        _chain(cycles)
    for bot in bots:
        _, bot.next_run_at, missed = slots[bot.pk]
        bot.skipped_slots += missed
    update_rows(bots, ["next_run_at", "skipped_slots"])
    return cycles


def sooner(*, bot: Bot, slot: datetime) -> None:
    """A bot that holds a position since `slot` does not wait for the interval of one that holds none."""
    next_run = slot + schedules.interval(bot, holding=True)
    Bot.objects.filter(pk=bot.pk, next_run_at__gt=next_run).update(next_run_at=next_run)


def _holding(bots: Sequence[Bot]) -> set[int]:
    """Books with a position, of the bots to which that makes a difference; no statement where there is none."""
    books = [bot.book_id for bot in bots if bot.position_interval_seconds and not bot.crontab]
    return set(Position.objects.current().filter(book__in=books).values_list("book", flat=True)) if books else set()


def _chain(cycles: Sequence[Cycle]) -> None:
    """In lock-step the bots of one account commit in order: each waits for the one before."""
    last: dict[int | None, Cycle] = {}
    chained = []
    for cycle in cycles:
        account = cycle.bot.book.account_id
        if account in last:
            cycle.waits_for = last[account]
            chained.append(cycle)
        last[account] = cycle
    update_rows(chained, ["waits_for"])
