"""The only writer of alerts. What a person should know is read from the rows as they are now, so an alert opens once,
however often it is looked for, and ends by itself when its trouble has.

It looks at everything with a few small statements and has no part in any cycle.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, Max, OuterRef, Q

from markets import broadcast
from markets.feeds import clock

from .domain.dust import is_dust
from .domain.patience import STOP_PATIENCE
from .models import (
    Account,
    AccountKind,
    Alert,
    AlertKind,
    Book,
    BookKind,
    Discrepancy,
    Lock,
    LockKind,
    Order,
    OrderState,
    Outcome,
    Position,
    PositionState,
    Role,
    Severity,
)

LONGEST = Alert._meta.get_field("sentence").max_length
SILENT = timedelta(seconds=15)
TOLD_LOCKS = (LockKind.REFUSED_ENTRIES, LockKind.FAILURES, LockKind.DAILY_LOSS, LockKind.DRAWDOWN)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong now. `key` tells it from all others; `sentence` says it to a person, as short as it is stored."""

    key: str
    kind: AlertKind
    severity: Severity
    sentence: str
    owner: int
    account: int | None = None
    book: int | None = None


@transaction.atomic
def refresh(*, wall: datetime) -> int:
    """Open an alert for each trouble there is and end those whose trouble is over. Returns how many are open."""
    now = {trouble.key: trouble for source in SOURCES for trouble in source(wall)}
    before = {alert.key: alert for alert in Alert.objects.open()}
    over = [alert for key, alert in before.items() if key not in now]
    if over:
        ended = {"resolved_at": wall, "resolution": "It ended by itself."}
        Alert.objects.open().filter(pk__in=[alert.pk for alert in over]).update(**ended)
    fresh = [_alert(trouble, wall) for key, trouble in now.items() if key not in before]
    Alert.objects.bulk_create(fresh, ignore_conflicts=True)
    for key in now.keys() & before.keys():
        if before[key].sentence != now[key].sentence:
            Alert.objects.filter(pk=before[key].pk).update(sentence=now[key].sentence, severity=now[key].severity)
    for owner in {alert.owner_id for alert in (*over, *fresh)}:
        broadcast.announce(f"user-{owner}", kind="alert")
    return len(now)


def _alert(trouble: Trouble, wall: datetime) -> Alert:
    return Alert(
        owner_id=trouble.owner,
        key=trouble.key,
        kind=trouble.kind,
        severity=trouble.severity,
        account_id=trouble.account,
        book_id=trouble.book,
        sentence=trouble.sentence,
        opened_at=wall,
    )


def _unknown_orders(wall: datetime) -> Iterator[Trouble]:
    rows = Order.objects.live().filter(state=OrderState.UNKNOWN, lookups__gt=0)
    for order in rows.select_related("instrument", "book", "account"):
        until = f"{order.deadline_at:%H:%M:%S} UTC" if order.deadline_at else "it is found"
        sentence = (
            f"The venue has not said what became of an order: {order.role} {order.side} {order.quantity.normalize():f} "
            f"{order.instrument.symbol}, looked for {order.lookups} times. Until {until} at the latest nothing new is "
            f"entered there."
        )
        late = order.deadline_at is not None and order.deadline_at < wall
        severity = Severity.CRITICAL if late or order.role == Role.EXIT else Severity.WARNING
        yield _of_book(AlertKind.UNKNOWN_ORDER, order.pk, severity, sentence, order.book)


def _not_reconciled(wall: datetime) -> Iterator[Trouble]:
    for account in Account.objects.exclude(trouble=""):
        sentence = f"{account.name} does not trade. {account.trouble}"
        yield _of_account(AlertKind.NOT_RECONCILED, account.pk, Severity.CRITICAL, sentence, account)


def _keys(wall: datetime) -> Iterator[Trouble]:
    for account in Account.objects.filter(kind=AccountKind.LIVE, check_passed=False):
        sentence = f"The key of {account.name} cannot be used: {account.check_result}"
        yield _of_account(AlertKind.KEY, account.pk, Severity.CRITICAL, sentence, account)


def _changed_venues(wall: datetime) -> Iterator[Trouble]:
    for account in Account.objects.exclude(refusal=""):
        sentence = f"{account.name} takes no new exposure. {account.refusal}"
        yield _of_account(AlertKind.VENUE_CHANGED, account.pk, Severity.CRITICAL, sentence, account)


def _silent(wall: datetime) -> Iterator[Trouble]:
    for account in Account.objects.filter(silent_since__lt=wall - SILENT):
        sentence = f"The venue of {account.name} has not answered since {account.silent_since:%Y-%m-%d %H:%M:%S} UTC."
        yield _of_account(AlertKind.UNREACHABLE, account.pk, Severity.WARNING, sentence, account)


def _foreign(wall: datetime) -> Iterator[Trouble]:
    orders = Discrepancy.objects.standing().filter(outcome=Outcome.FOREIGN).select_related("account")
    for row in orders:
        sentence = f"{row.account.name} has an order that is not ours: {row.what}, {row.venue}. It is left alone."
        yield _of_account(AlertKind.FOREIGN, f"order:{row.pk}", Severity.WARNING, sentence, row.account)
    held = Position.objects.open().filter(book__kind=BookKind.UNASSIGNED, intent__isnull=True)
    for position in held.select_related("account", "instrument"):
        price = position.entry_price
        if price is not None and is_dust(position.quantity, price, position.instrument.rules):
            yield _dust(position)
            continue
        sentence = (
            f"{position.account.name} holds {position.quantity.normalize():f} {position.instrument.symbol} that no bot "
            f"opened. It has no stop of ours and is left alone, until you adopt it."
        )
        yield _of_account(AlertKind.FOREIGN, f"position:{position.pk}", Severity.WARNING, sentence, position.account)


def _dust(position: Position) -> Trouble:
    sentence = (
        f"{position.account.name} keeps {position.quantity.normalize():f} {position.instrument.symbol}, less than an "
        f"order may be. Nobody manages it, and nothing new is entered there, until you close it at the exchange."
    )
    return _of_account(AlertKind.DUST, position.pk, Severity.INFO, sentence, position.account)


def _unprotected(wall: datetime) -> Iterator[Trouble]:
    stops = Order.objects.resting().filter(position=OuterRef("pk"), role=Role.STOP)
    bare = Q(unprotected_since__lt=wall - STOP_PATIENCE) | (~Exists(stops) & Q(opened_at__lt=wall - STOP_PATIENCE))
    rows = Position.objects.open().filter(bare, intent__isnull=False, account__kind=AccountKind.LIVE)
    for position in rows.select_related("book", "instrument"):
        since = position.unprotected_since or position.opened_at or wall
        does = "it is being closed" if settings.LIVE_TRADING else "and live trading is off here, so nobody places one"
        sentence = (
            f"{position.book.name} holds {position.instrument.symbol} without a stop at the venue, bare since "
            f"{since:%Y-%m-%d %H:%M:%S} UTC; {does}."
        )
        yield _of_book(AlertKind.UNPROTECTED, position.pk, Severity.CRITICAL, sentence, position.book)


def _exits(wall: datetime) -> Iterator[Trouble]:
    failed = Q(orders__role=Role.EXIT, orders__state__in=(OrderState.REFUSED, OrderState.UNKNOWN))
    rows = Position.objects.filter(state=PositionState.OPEN, closed_at__isnull=True)
    counted = rows.annotate(
        failed=Count("orders__intent", filter=failed, distinct=True), why=Max("orders__reason", filter=failed)
    )
    for position in counted.filter(failed__gte=2).select_related("book", "instrument"):
        symbol = position.instrument.symbol
        sentence = f"{position.failed} exits of {symbol} in {position.book.name} failed: {position.why}"
        yield _of_book(AlertKind.EXIT_REFUSED, position.pk, Severity.CRITICAL, sentence, position.book)


def _locks(wall: datetime) -> Iterator[Trouble]:
    rows = Lock.objects.filter(lifted_at__isnull=True, kind__in=TOLD_LOCKS, book__account__feed__running=True)
    for lock in rows.order_by("-until").select_related("book__account__feed")[:200]:
        account = lock.book.account
        if account is not None and lock.until > clock.now(account.feed, wall):
            where = lock.symbol or "all instruments"
            sentence = f"{lock.book.name}, {where}: {lock.reason} Locked until {lock.until:%Y-%m-%d %H:%M} market time."
            yield _of_book(AlertKind.LOCK, lock.pk, Severity.WARNING, sentence, lock.book)


def _of_book(kind: AlertKind, of: object, severity: Severity, sentence: str, book: Book) -> Trouble:
    return Trouble(f"{kind}:{of}", kind, severity, sentence[:LONGEST], book.owner_id, book.account_id, book.pk)


def _of_account(kind: AlertKind, of: object, severity: Severity, sentence: str, account: Account) -> Trouble:
    return Trouble(f"{kind}:{of}", kind, severity, sentence[:LONGEST], account.owner_id, account.pk)


SOURCES: Sequence[Callable[[datetime], Iterator[Trouble]]] = (
    _unknown_orders, _not_reconciled, _keys, _changed_venues, _silent, _foreign, _unprotected, _exits, _locks,
)  # fmt: skip
