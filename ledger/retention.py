"""What the ledger may forget with age: equity points between those that figures rest on, and reports once booked.

Trades, orders, positions, cash, intents and trading states are never touched. Everything goes in small batches, each
in a transaction of its own, so that trading goes on meanwhile.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from django.db.models import TextField
from django.db.models.functions import Cast

from markets import retention as markets
from markets.feeds import clock

from .domain.thinning import spare
from .equity_curve import Seconds, flows_of, grown
from .models import Account, Book, EquityPoint

BATCH = 500


def reports(*, days: int, dry_run: bool = False) -> int:
    """Remove the paper venue's reports that are booked and older than `days` of market time; how many."""
    removed = 0
    for account in Account.objects.select_related("feed").order_by("pk"):
        before = clock.now(account.feed) - timedelta(days=days)
        removed += markets.reports(key=account.key, until=account.report_cursor, before=before, dry_run=dry_run)
    return removed


def equity_points(*, days: int, hourly_days: int, dry_run: bool = False) -> int:
    """Thin curves to a point an hour after `days` of market time, and to one a day after `hourly_days`; how many go."""
    removed = 0
    for book in Book.objects.filter(account__isnull=False).select_related("account__feed").order_by("pk"):
        assert book.account is not None
        now = clock.now(book.account.feed)
        ids = spare(_points(book), hourly_before=_day(now, days), daily_before=_day(now, hourly_days))
        removed += len(ids)
        for batch in [] if dry_run else _batches(ids):
            EquityPoint.objects.filter(pk__in=batch).delete()
    return removed


def _day(now: datetime, days: int) -> int:
    """The UTC second at which the day so many days before began: so no hour and no day is thinned in half."""
    before = now.astimezone(UTC) - timedelta(days=days)
    return int(before.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _points(book: Book) -> Iterator[tuple[int, int, Decimal]]:
    """Id, UTC second and growth of each point of a book, oldest first, a few at a time in memory."""
    rows = EquityPoint.objects.filter(book=book).annotate(second=Seconds("at"), amount=Cast("equity", TextField()))
    read = rows.order_by("at").values_list("pk", "second", "amount").iterator(chunk_size=5000)
    ids: list[int] = []

    def equities() -> Iterator[tuple[int, Decimal]]:
        for pk, second, amount in read:
            ids.append(pk)
            yield second, Decimal(amount)

    for second, _, growth in grown(equities(), book.deposited, flows_of(book)):
        yield ids.pop(), second, growth


def _batches(ids: Sequence[int]) -> Iterator[list[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, BATCH)):
        yield batch
