"""What venues report comes in here: order updates, fills and income, each batch in one transaction, once.

The batch first moves the account's cursor by a conditional update, so that of two collectors only one books.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from markets import broadcast
from markets.domain.orders import Answer, Confirmed, Fill, Income, OrderReport, Report
from markets.exchanges import paper
from markets.exchanges.base import Numbered, Unanswered
from markets.models import Feed, Instrument, Quote

from . import arrivals, booking, late_fills, lookups, ordering, venue_changes
from .gateway import venue_of
from .models import Account, AccountKind, Book, Order, Position, PositionState


def collect(
    *, account: Account, now: datetime, answers: Mapping[int, Answer] | None = None, extra: Sequence[Report] = ()
) -> list[Position]:
    """Record `answers` (by order id) and book what the venue has reported since. Returns the positions it changed.

    `now` is market time; `extra` are reports that were read besides the stream, and are booked once all the same.
    Two collectors at once are harmless: the second finds the cursor moved and starts anew. Raises Unanswered where
    the venue does not answer; answers are recorded even then.
    """
    while True:
        numbered = _news(account, answers)
        if not account.certain:
            arrivals.take_in(account, [*extra, *(entry.report for entry in numbered)], now)
            extra = arrivals.fresh(account, extra)
            numbered = _unbooked(account, numbered)
        if not numbered and not answers and not extra:
            return []
        try:
            changed = _book_once(account, numbered, answers or {}, extra, now)
        except Exception:
            if answers and (numbered or extra):
                _record_alone(account, answers, now)
            raise
        if changed is not None:
            return changed
        account.refresh_from_db(fields=["report_cursor", "revision"])


def _record_alone(account: Account, answers: Mapping[int, Answer], now: datetime) -> None:
    """Some report cannot be booked: what became of our own orders must not be lost with it."""
    recorded = None
    while recorded is None:
        account.refresh_from_db(fields=["report_cursor", "revision"])
        recorded = _book_once(account, (), answers, (), now)


def _news(account: Account, answers: Mapping[int, Answer] | None) -> Sequence[Numbered]:
    """What the venue has reported since; nothing where it is silent and there is something else to keep."""
    try:
        return venue_of(account).reports(after=account.report_cursor)
    except Unanswered:
        if not answers:
            raise
        return ()


def _unbooked(account: Account, numbered: Sequence[Numbered]) -> Sequence[Numbered]:
    """The same without what is booked already: a venue may tell a thing again. The cursor moves over the rest."""
    known = {id(report) for report in arrivals.fresh(account, [entry.report for entry in numbered])}
    fresh = [entry for entry in numbered if id(entry.report) in known]
    if numbered and not fresh and numbered[-1].cursor != account.report_cursor:
        moved = Account.objects.filter(pk=account.pk, report_cursor=account.report_cursor)
        if moved.update(report_cursor=numbered[-1].cursor):
            account.report_cursor = numbered[-1].cursor
    return fresh


def cancel(*, account: Account, orders: Sequence[Order], now: datetime) -> None:
    """Cancel orders at the venue and book what follows. Cancels pass in every trading state.

    One that gets no answer is cancelled again by the guardian: cancelling twice does no harm.
    """
    if not orders:
        return
    venue = venue_of(account)
    answers = {}
    for order in orders:
        answers[order.pk] = answer = venue.cancel(str(order.client_id))
        venue_changes.heed(account=account, order=order, answer=answer, cancelling=True)
    if account.certain:
        collect(account=account, now=now)
        return
    gone = {pk: answer for pk, answer in answers.items() if isinstance(answer, Confirmed)}
    with suppress(Unanswered):  # What follows is booked with the next look.
        collect(account=account, now=now, answers=gone)


def resolve(*, account: Account, now: datetime, alone: bool = False) -> None:
    """Settle every order whose fate a dead process left open, before anything new is decided.

    `alone`: no other process can be sending, so nothing is still on its way. Raises Unanswered.
    """
    collect(account=account, now=now)
    answers = lookups.fates(account=account, alone=alone)
    if answers:
        collect(account=account, now=now, answers=answers)


def collect_feed(*, feed: Feed, now: datetime) -> list[Position]:
    """Book the news of every paper account of a feed: two queries when there are none."""
    news = paper.news(feed)
    cursors = Account.objects.on(feed).filter(kind=AccountKind.PAPER).values_list("id", "key", "report_cursor")
    behind = [pk for pk, key, cursor in cursors if news.get(key, 0) > cursor]
    accounts = Account.objects.filter(pk__in=behind).select_related("feed").order_by("id") if behind else ()
    return [position for account in accounts for position in collect(account=account, now=now)]


@transaction.atomic
def _book_once(
    account: Account,
    numbered: Sequence[Numbered],
    answers: Mapping[int, Answer],
    extra: Sequence[Report],
    now: datetime,
) -> list[Position] | None:
    cursor = numbered[-1].cursor if numbered else account.report_cursor
    moved = Account.objects.filter(pk=account.pk, report_cursor=account.report_cursor).update(
        report_cursor=cursor, revision=F("revision") + 1
    )
    if not moved:
        return None
    account.report_cursor, account.revision = cursor, account.revision + 1
    reports = [*extra, *(entry.report for entry in numbered)]
    if not account.certain:  # Looked at again, for another collector may have booked meanwhile.
        reports = arrivals.in_order(arrivals.fresh(account, reports))
    late = {} if account.certain else late_fills.late(account, reports)
    batch = _load(account, reports, answers)
    ordering.record(orders=batch.orders, answers=answers, reports=reports, now=now, certain=account.certain)
    for report in reports:
        if isinstance(report, Fill):
            booking.book_fill(batch, report)
        elif isinstance(report, Income):
            booking.book_income(batch, report)
    for symbol, since in late.items():
        late_fills.fold_again(batch, batch.instruments[symbol], since)
    booking.write(batch)
    _release(batch, now)
    for book_id in {position.book_id for position in batch.changed} | {o.book_id for o in batch.orders.values()}:
        broadcast.announce(f"book-{book_id}", kind="trade" if batch.trades else "order", book=book_id)
    return batch.changed


def _load(account: Account, reports: Iterable[Report], answers: Mapping[int, Answer]) -> booking.Batch:
    """The rows a batch touches: orders with their position, book and instrument in one statement."""
    ids = (arrivals.ours(report.client_id) for report in reports if isinstance(report, Fill | OrderReport))
    named = {client_id for client_id in ids if client_id is not None}
    orders = Order.objects.filter(account=account).select_related("position", "book", "instrument", "intent")
    # Each key by its own index: with both in one condition SQLite would read every order of the account.
    either = Order.objects.filter(client_id__in=named).union(Order.objects.filter(pk__in=list(answers)))
    found = list(orders.filter(pk__in=either.values("pk")))
    batch = booking.Batch(account, {str(order.client_id): order for order in found}, {}, {}, {})
    for order in found:
        batch.books[order.book_id] = order.book = batch.books.get(order.book_id, order.book)
        batch.instruments[order.instrument.symbol] = order.instrument  # type: ignore[index]
        if order.position is not None and order.position.state != PositionState.CLOSED:
            order.position.instrument, order.position.book = order.instrument, order.book
            held = batch.positions.setdefault(order.instrument_id, order.position)
            order.position = held
    _load_adrift(batch, reports)
    _load_unnamed(batch, reports)
    paid = {report.fee_currency for report in reports if isinstance(report, Fill)} - {account.currency}
    if paid:
        batch.rates = rates(account, paid)
    return batch


def _load_adrift(batch: booking.Batch, reports: Iterable[Report]) -> None:
    """The positions that fills join whose order was written off: at the venue there is one for each instrument."""
    filled = (batch.orders.get(report.client_id or "") for report in reports if isinstance(report, Fill))
    adrift = {order.instrument_id for order in filled if order is not None} - batch.positions.keys()
    if not adrift:
        return
    current = Position.objects.current().filter(account=batch.account, instrument__in=adrift)
    for position in current.select_related("instrument", "book"):
        batch.positions[position.instrument_id] = position
        position.book = batch.books.setdefault(position.book_id, position.book)


def rates(account: Account, currencies: Collection[str]) -> dict[str, Decimal]:
    """The price of each currency in the account's own by the newest marks of its feed, where there is one."""
    marks = Quote.objects.filter(
        feed=account.feed_id, instrument__base__in=currencies, instrument__quote=account.currency
    )
    return dict(marks.order_by("-instrument_id").values_list("instrument__base", "mark"))


def _load_unnamed(batch: booking.Batch, reports: Iterable[Report]) -> None:
    """What no order of ours leads to: income, liquidations and trades made elsewhere."""
    lone = [r for r in reports if isinstance(r, Income) or (isinstance(r, Fill) and r.client_id not in batch.orders)]
    if not lone:
        return
    batch.books.update({b.pk: b for b in Book.objects.filter(account=batch.account) if b.pk not in batch.books})
    for position in Position.objects.current().filter(account=batch.account).select_related("instrument"):
        batch.positions.setdefault(position.instrument_id, position)
        batch.instruments.setdefault(position.instrument.symbol, position.instrument)  # type: ignore[attr-defined]
    missing = {report.symbol for report in lone if report.symbol} - set(batch.instruments)
    for instrument in Instrument.objects.filter(exchange=batch.account.feed.exchange, symbol__in=missing):
        batch.instruments[instrument.symbol] = instrument  # type: ignore[index]


def _release(batch: booking.Batch, now: datetime) -> None:
    """An opening whose entry ended without a fill gives its place back."""
    waiting = [
        order
        for order in batch.orders.values()
        if order.role == "entry"
        and order.position is not None
        and order.ended
        and not order.filled
        and order.position.state == PositionState.OPENING
    ]
    if waiting:
        booking.release_openings(waiting, now)
