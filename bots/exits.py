"""Invalidation conditions of exit plans, evaluated by code at each price update. The decider is not asked.

A condition that holds closes its position through the same door as every exit of the guardian.
"""

from datetime import datetime
from typing import NamedTuple

from django.db.models import OuterRef, QuerySet, Subquery

from ledger import closing, guardian
from ledger.models import Account, Position
from markets import snapshots
from markets.models import Feed, Instrument

from .domain import exit_plan
from .models import DecisionItem


class Standing(NamedTuple):
    """The condition under which the position of an account in an instrument is closed."""

    account: int
    instrument: int
    condition: exit_plan.Condition


def sweep(*, feed: Feed, now: datetime) -> int:
    """Close every position of a feed whose invalidation holds at market time `now`. Returns how many.

    Where none holds it takes a few statements, however many positions there are.
    """
    conditions = standing(Position.objects.open().filter(account__feed=feed))
    if not conditions:
        return 0
    instruments = Instrument.objects.in_bulk({one.instrument for one in conditions})
    timeframes = sorted({one.condition.timeframe for one in conditions})
    market = snapshots.snapshot(feed, instruments.values(), timeframes, now)
    closed = 0
    for one in conditions:
        if exit_plan.holds(one.condition, market[instruments[one.instrument].symbol]):
            account = Account.objects.select_related("feed").get(pk=one.account)
            why = f"invalidated: {exit_plan.describe(one.condition)}"
            with guardian.one_account(account):
                closed += closing.close(account=account, instrument_id=one.instrument, why=why, now=now)
    return closed


def standing(positions: QuerySet[Position]) -> list[Standing]:
    """The newest invalidation of each of these open positions: from its opening, or from what adjusted it since.

    One statement, which for each position goes back over the intents of its book, to its own at most.
    """
    since = DecisionItem.objects.filter(
        intent__book=OuterRef("book"), intent__gte=OuterRef("intent"), instrument=OuterRef("instrument"),
        invalidation__isnull=False,
    )  # fmt: skip
    newest = Subquery(since.order_by("-intent").values("invalidation")[:1])
    held = positions.filter(intent__isnull=False).annotate(newest=newest).order_by("id")
    rows = held.values_list("account", "instrument", "newest")
    return [
        Standing(account, instrument, exit_plan.parse_invalidation(raw))
        for account, instrument, raw in rows
        if raw is not None
    ]
