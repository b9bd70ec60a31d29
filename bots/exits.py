"""Invalidation conditions of exit plans, evaluated by code at each price update. The decider is not asked.

A condition that holds closes its position through the same door as every exit of the guardian.
"""

from datetime import datetime

from django.db.models import F

from ledger import closing
from ledger.models import PositionState
from markets import snapshots
from markets.models import Feed

from .domain import exit_plan
from .models import DecisionItem


def sweep(*, feed: Feed, now: datetime) -> int:
    """Close every position of a feed whose invalidation holds at market time `now`. Returns how many."""
    closed = 0
    for item in standing(feed):
        intent, condition = item.intent, exit_plan.parse_invalidation(item.invalidation)
        assert intent is not None
        view = snapshots.snapshot(feed, [intent.instrument], [condition.timeframe], now)[intent.instrument.symbol]
        if exit_plan.holds(condition, view):
            why = f"invalidated: {exit_plan.describe(condition)}"
            account = intent.book.account
            assert account is not None
            closed += closing.close(account=account, instrument_id=intent.instrument_id, why=why, now=now)
    return closed


def standing(feed: Feed) -> list[DecisionItem]:
    """The newest invalidation of each open position: from its opening, or from what adjusted it since."""
    items = DecisionItem.objects.filter(
        invalidation__isnull=False,
        intent__book__account__feed=feed,
        intent__book__positions__state=PositionState.OPEN,
        intent__book__positions__instrument=F("instrument"),
        intent__book__positions__intent__lte=F("intent"),
    ).select_related("intent__instrument", "intent__book__account__feed")
    newest = {(item.intent.book_id, item.instrument_id): item for item in items.order_by("id") if item.intent}
    return list(newest.values())
