"""Invalidation conditions of exit plans, evaluated by code at each price update. The decider is not asked.

A condition that holds closes its position through the same door as every exit of the guardian.
"""

from datetime import datetime
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from ledger import closing
from ledger.models import Account, Position
from markets import snapshots
from markets.models import Feed, Instrument

from .domain import exit_plan
from .models import DecisionItem

BATCH = 200  # SQLite takes a thousand conditions at most in one statement


class Standing(NamedTuple):
    """The condition under which the position of an account in an instrument is closed."""

    account: int
    instrument: int
    condition: exit_plan.Condition


def sweep(*, feed: Feed, now: datetime) -> int:
    """Close every position of a feed whose invalidation holds at market time `now`. Returns how many.

    Where none holds it takes a few statements, and one more for each `BATCH` of positions.
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
            closed += closing.close(account=account, instrument_id=one.instrument, why=why, now=now)
    return closed


def standing(positions: QuerySet[Position]) -> list[Standing]:
    """The newest invalidation of each of these open positions: from its opening, or from what adjusted it since.

    A statement, and one for each `BATCH` of positions, which look at no intent older than these.
    """
    held = positions.filter(intent__isnull=False)
    rest = iter(
        Q(intent__book=book, instrument=instrument, intent__gte=intent)
        for book, instrument, intent in held.order_by("id").values_list("book", "instrument", "intent")
    )
    newest: dict[tuple[int, int], Any] = {}
    while since := list(islice(rest, BATCH)):
        items = DecisionItem.objects.filter(reduce(or_, since), invalidation__isnull=False)
        rows = items.order_by("id").values_list("intent__book__account", "instrument", "invalidation")
        newest |= {(account, instrument): invalidation for account, instrument, invalidation in rows}
    return [Standing(*place, exit_plan.parse_invalidation(raw)) for place, raw in newest.items()]
