"""What bots may forget with age: cycles that held, with what was answered then; and backtests that have ended.

Decisions that acted or were refused are never touched, nor is a cycle that failed or anything that led to an intent.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from markets.feeds import clock

from .models import Backtest, Bot, Cycle, CycleStatus, Decision, DecisionItem
from .models.backtests import UNDER_WAY

BATCH = 200

Removed = dict[type[Cycle] | type[Decision] | type[DecisionItem], int]


def holds(*, days: int, dry_run: bool = False) -> Removed:
    """Remove cycles that held and are older than `days` of market time; how many rows of each table."""
    removed: Removed = {Cycle: 0, Decision: 0, DecisionItem: 0}
    for bot in Bot.objects.select_related("book__account__feed").order_by("pk"):
        account = bot.book.account
        assert account is not None
        for batch in _batches(_held(bot, clock.now(account.feed) - timedelta(days=days))):
            for model, count in _remove(batch, dry_run).items():
                removed[model] += count
    return removed


def _held(bot: Bot, before: datetime) -> QuerySet[Cycle]:
    newest = Cycle.objects.filter(bot=bot).order_by("-id").values("pk")[:1]
    led_on = DecisionItem.objects.filter(decision=OuterRef("decision"), intent__isnull=False)
    quiet = Cycle.objects.filter(
        ~Exists(led_on), bot=bot, slot__lt=before, status=CycleStatus.DONE,
        decision__acted=False, decision__refused=False,
    )  # fmt: skip
    return quiet.exclude(pk__in=newest)


def _batches(cycles: QuerySet[Cycle]) -> Iterator[list[int]]:
    """Ids, oldest slot first. What stays is passed by: a dry run leads through the same batches."""
    after = None
    while True:
        rows = cycles.filter(slot__gt=after) if after else cycles
        batch = list(rows.order_by("slot").values_list("pk", "slot")[:BATCH])
        if not batch:
            return
        after = batch[-1][1]
        yield [pk for pk, _ in batch]


def _remove(cycles: list[int], dry_run: bool) -> Removed:
    items = DecisionItem.objects.filter(decision__cycle__in=cycles)
    decisions = Decision.objects.filter(cycle__in=cycles)
    if dry_run:
        return {Cycle: len(cycles), Decision: decisions.count(), DecisionItem: items.count()}
    with transaction.atomic():
        gone_items = items.delete()[0]
        # What was asked then goes with the decision, and is not counted as one.
        gone_decisions = decisions.delete()[1].get(Decision._meta.label, 0)
        Cycle.objects.filter(pk__in=cycles).delete()
    return {Cycle: len(cycles), Decision: gone_decisions, DecisionItem: gone_items}


def backtests(*, days: int, wall: datetime, dry_run: bool = False) -> int:
    """Remove backtests that ended more than `days` of wall time ago; how many. The same request gives them again."""
    old = Backtest.objects.filter(ended_at__lt=wall - timedelta(days=days)).exclude(state__in=UNDER_WAY)
    return old.count() if dry_run else old.delete()[0]
