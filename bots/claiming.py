"""Claims the bots that are due: their next slot moves in the transaction that queues their cycles.

A cycle is unique for bot and slot, so of two dispatchers that claim at once only one has something to run.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import transaction

from markets.models import Feed
from markets.updates import update_rows

from .models import Bot, Cycle


@transaction.atomic
def claim_due(*, feed: Feed, now: datetime) -> list[Cycle]:
    """Move the due bots to their next slot and queue a cycle for each, in one transaction.

    A bot that is late runs once, for its latest slot; the slots before are counted as skipped.
    """
    due = Bot.objects.on(feed).due(now).select_for_update(of=("self",)).select_related("book").order_by("pk")
    bots = list(due.only("next_run_at", "interval_seconds", "skipped_slots", "book__account"))
    if not bots:
        return []
    slots = {bot.pk: _slot(bot, now) for bot in bots}
    later = Cycle.objects.filter(bot__in=list(slots), slot__gte=min(slots.values()))
    asked = set(later.values_list("bot", "slot"))
    wall = datetime.now(UTC)
    cycles = [
        Cycle(bot=bot, slot=slots[bot.pk], queued_at=wall) for bot in bots if (bot.pk, slots[bot.pk]) not in asked
    ]
    Cycle.objects.bulk_create(cycles)
    _chain(cycles)
    for bot in bots:
        assert bot.next_run_at is not None
        bot.skipped_slots += int((slots[bot.pk] - bot.next_run_at) / bot.interval)
        bot.next_run_at = slots[bot.pk] + bot.interval
    update_rows(bots, ["next_run_at", "skipped_slots"])
    return cycles


def _slot(bot: Bot, now: datetime) -> datetime:
    """The bot's latest slot at or before `now`."""
    assert bot.next_run_at is not None
    return bot.next_run_at + (now - bot.next_run_at) // bot.interval * bot.interval


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
