"""The only writer of locks: looks at what happened to a book, writes the locks that follow, and says which hold.

It looks when a cycle reads its portfolio, which is before anything can be entered; one statement where nothing is new.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, DateTimeField, FloatField, Max, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Cast, Coalesce

from ledger import audit
from ledger.domain.portfolio import Portfolio
from ledger.equity_curve import FLOWS, Seconds
from ledger.models import AuditKind, Book, CashEntry, EquityPoint, Lock, Position, User
from markets import broadcast
from markets.domain.rounding import nearest_to
from markets.prepared import Given, Prepared

from .domain import locks as domain
from .domain.locks import Ended, Facts
from .domain.policy import Policy
from .domain.untrusted import PRICE_UNIT
from .models import Bot, Cycle, CycleStatus


def holding(*, bot: Bot, portfolio: Portfolio, now: datetime) -> tuple[domain.Lock, ...]:
    """The locks that hold for a bot at market time `now`, those that have just been found among them."""
    policy = bot.policy.limits
    rows = _read(bot, policy, now)
    stored = {(lock := _lock_of(row)).key: (lock, row.fourth is None) for row in _of("lock", rows)}
    found = {lock.key: lock for lock in domain.locks(_facts(rows, portfolio, now), policy)}
    fresh = [lock for key, lock in found.items() if key not in stored]
    if fresh:
        _write(bot.book, fresh, now)
    return domain.standing((*(lock for lock, holds in stored.values() if holds), *fresh))


def lift(*, lock: Lock, by: User, now: datetime) -> bool:
    """Let a person end a lock before its time; False where it was lifted before. `now` is wall time."""
    with transaction.atomic():
        lifted = Lock.objects.filter(pk=lock.pk, lifted_at__isnull=True).update(lifted_at=now, lifted_by=by)
        if lifted:
            told = {"lifted": lock.kind, "symbol": lock.symbol, "side": lock.side, "until": str(lock.until)}
            audit.write(kind=AuditKind.LOCK, subject=f"book:{lock.book_id}", change=told, by=by, now=now)
    broadcast.announce(f"book-{lock.book_id}", kind="lock", book=lock.book_id)
    return bool(lifted)


def _write(book: Book, fresh: Iterable[domain.Lock], now: datetime) -> None:
    rows = [
        Lock(
            book=book, kind=lock.kind, symbol=lock.symbol, side=lock.side, reason=lock.reason[:300],
            limit=_stored(lock.limit), value=_stored(lock.value), at=now, until=lock.until,
        )
        for lock in fresh
    ]  # fmt: skip
    Lock.objects.bulk_create(rows, ignore_conflicts=True)
    broadcast.announce(f"book-{book.pk}", kind="lock", book=book.pk)


def _stored(value: Decimal | None) -> Decimal | None:
    return None if value is None else nearest_to(value, PRICE_UNIT)


# --- What happened, in one statement ---------------------------------------------------------------------


class Row(NamedTuple):
    """One row of what happened, all but its second as text; what the columns hold depends on `what`."""

    what: str
    second: int | None
    symbol: str
    side: str
    word: str
    first: str | None
    other: str | None
    third: str | None
    fourth: str | None


def _text(column: Any) -> Any:
    return Cast(column, TextField())


def _rows(source: QuerySet[Any], what: Any, second: Any, **columns: Any) -> QuerySet[Any]:
    nothing = Value("", output_field=TextField())
    filled = {name: columns.get(name, nothing) for name in Row._fields[2:]}
    named = source.annotate(c_what=what, c_second=second, **{f"c_{name}": value for name, value in filled.items()})
    return named.order_by().values_list(*(f"c_{name}" for name in Row._fields))


def _word(word: str) -> Value:
    return Value(word, output_field=TextField())


def _happened(book: Given, bot: Given, since: Given, back: Given, day: Given, now: Given) -> QuerySet[Any]:
    """Everything that locks rest on, as one statement: a union of rows of text, for each cycle asks it."""
    closed = Position.objects.filter(book=book, closed_at__gte=since)
    flows = CashEntry.objects.without_trade().filter(book=book, at__gte=since, kind__in=FLOWS)
    points = EquityPoint.objects.filter(book=book).annotate(worth=Cast("equity", FloatField()))
    begin = points.filter(at__gte=day).order_by("at")
    top = points.filter(at__gte=back).order_by("-worth", "at")
    one = Book.objects.filter(pk=book)
    return _rows(
        closed, _word("closed"), Seconds("closed_at"), symbol=_text("instrument__symbol"), side=_text("long"),
        word=_text("exit_reason"), first=_text("realised"), other=_text("fees"), third=_text("funding"),
        fourth=_text("entry_value"),
    ).union(
        _rows(Lock.objects.filter(book=book, until__gt=now), _word("lock"), Seconds("until"), symbol=_text("symbol"),
              side=_text("side"), word=_text("kind"), first=_text("reason"), other=_text("limit"),
              third=_text("value"), fourth=_text("lifted_at")),
        _rows(flows, _word("flow"), Seconds("at"), first=_text("amount")),
        _rows(one, _word("begin"), _second(begin, "at"), first=_text(Subquery(begin.values("equity")[:1]))),
        _rows(one, _word("top"), _second(top, "at"), first=_text(Subquery(top.values("equity")[:1]))),
        _rows(one, _word("failed"), _second(_failures(bot), "last"), first=_text(
            Subquery(_failures(bot).values("count")[:1])
        )),
        all=True,
    )  # fmt: skip


def _second(rows: QuerySet[Any], column: str) -> Seconds:
    return Seconds(Subquery(rows.values(column)[:1], output_field=DateTimeField()))


def _failures(bot: Given) -> QuerySet[Any]:
    """How many cycles have failed since the last that did not, and the slot of the last of them."""
    done = Cycle.objects.filter(bot=bot, status=CycleStatus.DONE).order_by("-id").values("id")[:1]
    failed = Cycle.objects.filter(bot=bot, status=CycleStatus.FAILED, id__gt=Coalesce(Subquery(done), 0))
    return failed.order_by().values("bot").annotate(count=Count("id"), last=Max("slot"))


_HAPPENED = Prepared(_happened, "book", "bot", "since", "back", "day", "now")


def _read(bot: Bot, policy: Policy, now: datetime) -> list[Row]:
    moments = {
        "since": domain.look_back(policy, now),
        "back": now - timedelta(minutes=policy.lock_look_back_minutes),
        "day": now.replace(hour=0, minute=0, second=0, microsecond=0),
        "now": now,
    }
    adapt: Any = connection.ops.adapt_datetimefield_value
    rows = _HAPPENED(book=bot.book_id, bot=bot.pk, **{name: adapt(moment) for name, moment in moments.items()})
    return [Row(*row) for row in rows]


def _of(what: str, rows: Iterable[Row]) -> list[Row]:
    return [row for row in rows if row.what == what]


def _facts(rows: Sequence[Row], portfolio: Portfolio, now: datetime) -> Facts:
    failed = _of("failed", rows)[0]
    return Facts(
        now=now,
        equity=portfolio.equity,
        ended=domain.oldest_first(map(_ended, _of("closed", rows))),
        opened=tuple(held.opened_at for held in portfolio.positions if held.opened_at is not None),
        day_start=_paid_since(_of("begin", rows)[0], rows),
        peak=_paid_since(_of("top", rows)[0], rows),
        failures=int(failed.first or 0),
        failed_at=None if failed.second is None else datetime.fromtimestamp(failed.second, UTC),
    )


def _paid_since(point: Row, rows: Sequence[Row]) -> Decimal | None:
    """An equity of before, with what was deposited or taken since: neither is a gain nor a loss."""
    if point.first is None or point.second is None:
        return None
    later = (Decimal(row.first or 0) for row in _of("flow", rows) if row.second and row.second > point.second)
    return sum(later, Decimal(point.first))


def _ended(row: Row) -> Ended:
    realised, fees, funding, value = (Decimal(text or 0) for text in row[5:])
    at = datetime.fromtimestamp(row.second or 0, UTC)
    return Ended(row.symbol, row.side in ("1", "true"), realised - fees + funding, value, row.word, at)


def _lock_of(row: Row) -> domain.Lock:
    limit, value = (None if text is None else Decimal(text) for text in (row.other, row.third))
    until = datetime.fromtimestamp(row.second or 0, UTC)
    return domain.Lock(row.word, until, row.first or "", row.symbol, row.side, limit, value)
