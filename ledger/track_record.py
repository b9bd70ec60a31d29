"""The record of a book: its closed positions and the equity at the end of each day, read once and then only added to.

What was read is kept in the cache. The cache is no truth: without it everything is read again and comes out the same,
and it is read again whenever something changed that had been read already.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Avg, Case, FloatField, Func, IntegerField, Max, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, NullIf

from .domain.statistics import (
    Closed,
    Columns,
    Daily,
    DailyFigures,
    PositionFigures,
    daily_figures,
    position_figures,
    with_every_day,
)
from .domain.statistics.positions import DAY
from .equity_curve import Seconds, Steps, flows_of
from .models import Book, CashEntry, EquityPoint, Position

KEPT_SECONDS = 3600
CHUNK = 2000  # rows
MONEY = ("realised", "fees", "funding")


@dataclass(frozen=True, slots=True)
class Day:
    """`equity` at the day's last point; of all its points, the mean exposure over equity and the share invested."""

    equity: float
    exposure: float
    invested: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What was read so far: journal entries up to `entry`, and the days, of which the last may still grow."""

    closed: Closed = field(default_factory=Closed)
    entry: int = 0
    days: dict[int, Day] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """The statistics of a book. `on_closed` is what equity would be if open positions counted for nothing.

    `exposure` is the mean over the days of notional over equity, `invested` the share of time with a position,
    `turnover` the value of all fills of closed positions over mean equity, a day.
    """

    positions: PositionFigures
    on_closed: DailyFigures
    on_equity: DailyFigures
    first_day: int | None = None
    last_day: int | None = None
    exposure: float | None = None
    invested: float | None = None
    turnover: float | None = None


def record(book: Book) -> Record:
    """The record as it stands now: six statements at most, which read only what is new."""
    known = cache.get(_key(book), Kept())
    kept = replace(_with_closed(book, known), days=_with_days(book, known.days))
    cache.set(_key(book), kept, KEPT_SECONDS)
    return told(kept, flows_of(book))


def _key(book: Book) -> str:
    return f"track-record:{book.key}"


def told(kept: Kept, flows: Steps) -> Record:
    """The statistics of what was read. `flows` are (UTC second, amount), oldest first."""
    figures = position_figures(kept.closed)
    if not kept.days:
        return Record(figures, DailyFigures(), DailyFigures())
    paid: dict[int, float] = {}
    for second, amount in flows:
        paid[second // DAY] = paid.get(second // DAY, 0.0) + float(amount)
    equity = with_every_day({day: one.equity for day, one in kept.days.items()}, paid)
    days, count = kept.days.values(), len(kept.days)
    mean = sum(one.equity for one in days) / count
    return Record(
        positions=figures,
        on_closed=daily_figures(_closed_series(kept, paid)),
        on_equity=daily_figures(equity),
        first_day=min(kept.days),
        last_day=max(kept.days),
        exposure=sum(one.exposure for one in days) / count,
        invested=sum(one.invested for one in days) / count,
        turnover=kept.closed.traded / mean / count if mean > 0 else None,
    )


def _closed_series(kept: Kept, paid: dict[int, float]) -> Daily | None:
    """Everything paid in by the end of each day, with the net results of what had closed."""
    won, first = kept.closed.by_day(), min(kept.days)
    worth = sum(paid[day] for day in paid if day < first) + sum(won[day] for day in won if day < first)
    series = {}
    for day in range(first, max(kept.days) + 1):
        worth += paid.get(day, 0.0) + won.get(day, 0.0)
        series[day] = worth
    return with_every_day(series, paid)


# --- Positions -------------------------------------------------------------------------------------------


def _with_closed(book: Book, known: Kept) -> Kept:
    """With the positions that have closed since.

    Every change of a closed position leaves an entry in the journal; so where a new entry names one that was read
    already, or one closed before the last of these, all are read again.
    """
    entries = CashEntry.objects.filter(book=book, id__gt=known.entry)
    closed = Position.objects.closed().filter(book=book)
    if not known.entry:
        newest = entries.aggregate(newest=Max("id"))["newest"] or 0
        return Kept(Closed().and_then(_in_order(_columns(_rows(closed).iterator(chunk_size=CHUNK)))), newest)
    touched = dict(entries.order_by("id").values_list("id", "position"))
    changed = {position for position in touched.values() if position is not None}
    last = known.closed.last
    since = datetime.fromtimestamp(last[0], UTC)
    # Two statements, for with an OR between them SQLite would go through all positions.
    rows = sorted(_rows(closed.filter(closed_at__gte=since)), key=itemgetter(1, 0))
    newer = [row for row in rows if (row[1], row[0]) > last]
    earlier = changed - {row[0] for row in newer}
    if any(row[0] in earlier for row in rows) or closed.filter(pk__in=earlier, closed_at__lt=since).exists():
        return _with_closed(book, Kept())
    return Kept(known.closed.and_then(_columns(newer)), max(touched, default=known.entry))


class Plain(Func):
    """A column as the driver gives it: through a converter many rows take twice as long."""

    template = "%(expressions)s"

    def get_db_converters(self, connection: Any) -> list[Any]:
        return []


def _rows(positions: QuerySet[Position]) -> QuerySet[Position, tuple[Any, ...]]:
    """Rows of `Columns`, oldest first but for those of one second, whose order no index knows; decimals as text."""
    plain = positions.annotate(
        closed_second=Seconds("closed_at"),
        opened_second=Seconds("opened_at"),
        is_long=Plain("long", output_field=IntegerField()),
        traded=Plain(Cast("entry_value", FloatField()) + Cast("exit_value", FloatField()), output_field=FloatField()),
        **{f"{name}_text": Cast(name, TextField()) for name in MONEY},
    ).order_by("closed_at")
    money = (f"{name}_text" for name in MONEY)
    return plain.values_list("id", "closed_second", "opened_second", "is_long", *money, "traded")


def _columns(rows: Iterable[tuple[Any, ...]]) -> Columns:
    columns: list[list[Any]] = [[] for _ in Columns._fields]
    rest = iter(rows)
    # Part by part, so that a long past is never held as rows too.
    while part := list(islice(rest, CHUNK)):
        for place, column in enumerate(columns):
            column.extend(map(itemgetter(place), part))
    ids, closed, opened, long, realised, fees, funding, traded = columns
    realised, fees, funding = (list(map(Decimal, column)) for column in (realised, fees, funding))
    return Columns(ids, closed, opened, long, realised, fees, funding, traded)


def _in_order(columns: Columns) -> Columns:
    """By second and id."""
    order = np.lexsort((columns.ids, columns.closed))
    if (np.diff(order) == 1).all():
        return columns
    return Columns(*([column[place] for place in order.tolist()] for column in columns))


# --- Days ------------------------------------------------------------------------------------------------


def _with_days(book: Book, known: dict[int, Day]) -> dict[int, Day]:
    """With the days since the last one, which is read again. Two statements."""
    points = EquityPoint.objects.filter(book=book)
    if known:
        points = points.filter(at__gte=datetime.fromtimestamp(max(known) * DAY, UTC))
    worth = Cast("equity", FloatField())
    share = Cast("exposure", FloatField()) / NullIf(worth, Value(0.0))
    invested = Case(When(exposure__gt=0, then=Value(1.0)), default=Value(0.0), output_field=FloatField())
    days = points.annotate(day=Seconds("at") / DAY).values("day").order_by("day")
    sums = days.annotate(last=Max("at"), share=Avg(share), invested=Avg(invested))
    grouped = list(sums.values_list("day", "last", "share", "invested"))
    equities = _equities(book, [at for _, at, _, _ in grouped])
    return known | {day: Day(equities[at], exposure or 0.0, invested or 0.0) for day, at, exposure, invested in grouped}


def _equities(book: Book, moments: Sequence[datetime]) -> dict[datetime, float]:
    rows = EquityPoint.objects.filter(book=book, at__in=moments).annotate(worth=Cast("equity", FloatField()))
    return dict(rows.values_list("at", "worth"))
