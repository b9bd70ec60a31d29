"""The equity of books over market time, thinned for charts, with the drawdown of every single point.

New points are only ever added at the end, so what was read before is kept in the cache and only newer ones are asked
for. The cache is no truth: without it the curves are read again, from what retention has left of old points by then.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import reduce
from itertools import islice
from operator import or_
from typing import Any, NamedTuple

from django.core.cache import cache
from django.db.models import BigIntegerField, Func, Q, TextField
from django.db.models.functions import Cast

from .domain.performance import Drawdown
from .models import Book, CashEntry, CashKind, EquityPoint

FLOWS = (CashKind.DEPOSIT, CashKind.WITHDRAWAL, CashKind.TRANSFER)
POINTS = 400
MINUTE = 60_000
BATCH = 200  # books in one statement: SQLite takes a thousand conditions at most

KEPT_SECONDS = 3600


class Point(NamedTuple):
    """`time` is UTC milliseconds of market time; `growth` is equity over what was deposited by then."""

    time: int
    equity: float
    growth: float


@dataclass(frozen=True, slots=True)
class Curve:
    """At most `POINTS` points, oldest first, one per `width` milliseconds.

    `walk` has seen every point, also those thinned away.
    """

    points: tuple[Point, ...]
    walk: Drawdown
    width: int = MINUTE

    @property
    def until(self) -> int:
        """The second (UTC) of its newest point."""
        return self.points[-1].time // 1000 if self.points else 0


EMPTY = Curve((), Drawdown())
Rows = Sequence[tuple[int, Any, Any]]
Steps = list[tuple[int, Decimal]]  # of one book: UTC seconds and an amount, oldest first


class Seconds(Func):
    """UTC seconds of an instant: much cheaper than a datetime where there are many rows."""

    output_field = BigIntegerField()

    def get_db_converters(self, connection: Any) -> list[Any]:
        return []

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CAST(strftime('%%%%s', %(expressions)s) AS INTEGER)")

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="FLOOR(EXTRACT(EPOCH FROM %(expressions)s))::bigint")


def curves(books: Sequence[Book]) -> dict[int, Curve]:
    """The curve of each book by its id: a statement for each `BATCH` of books, and one for what was paid in and out."""
    known = cache.get_many([_key(book) for book in books])
    found = {book.pk: known.get(_key(book), EMPTY) for book in books}
    fresh = _newer(books, found)
    flows = _flows(fresh)
    for book in books:
        if book.pk in fresh:
            found[book.pk] = extended(found[book.pk], fresh[book.pk], book.deposited, flows.get(book.pk, []))
    cache.set_many({_key(book): found[book.pk] for book in books if book.pk in fresh}, KEPT_SECONDS)
    return found


def _newer(books: Sequence[Book], found: dict[int, Curve]) -> dict[int, Steps]:
    fresh: dict[int, Steps] = {}
    rest = iter(Q(book=book.pk, at__gte=datetime.fromtimestamp(found[book.pk].until + 1, UTC)) for book in books)
    while after := list(islice(rest, BATCH)):
        rows = EquityPoint.objects.filter(reduce(or_, after))
        # As text an exact decimal is read several times faster than through its field.
        plain = rows.annotate(second=Seconds("at"), amount=Cast("equity", TextField())).order_by("book_id", "at")
        for book_id, second, amount in plain.values_list("book_id", "second", "amount").iterator(chunk_size=20_000):
            fresh.setdefault(book_id, []).append((second, Decimal(amount)))
    return fresh


def _key(book: Book) -> str:
    return f"equity-curve:{book.key}"


def flows_of(book: Book) -> Steps:
    return _flows([book.pk]).get(book.pk, [])


def _flows(books: Iterable[int]) -> dict[int, Steps]:
    flows: dict[int, Steps] = {}
    entries = CashEntry.objects.filter(book__in=list(books), kind__in=FLOWS).order_by("at")
    for book_id, at, amount in entries.values_list("book_id", "at", "amount"):
        flows.setdefault(book_id, []).append((int(at.timestamp()), amount))
    return flows


def extended(curve: Curve, fresh: Steps, deposited: Decimal, flows: Steps) -> Curve:
    """The curve with newer equities. `deposited` is today's, `flows` lead up to it."""
    rows = list(grown(fresh, deposited, flows))
    timed = [(second * 1000, equity, growth) for second, equity, growth in rows]
    kept, width = thinned([*curve.points, *timed], POINTS, curve.width)
    points = tuple(Point(time, float(equity), float(growth)) for time, equity, growth in kept)
    return Curve(points, curve.walk.along(growth for _, _, growth in rows), width)


def grown(
    points: Iterable[tuple[int, Decimal]], deposited: Decimal, flows: Steps
) -> Iterator[tuple[int, Decimal, Decimal]]:
    """Each second and equity with its growth: equity over what was deposited by then."""
    later = deque(flows)
    base = deposited - sum((amount for _, amount in later), Decimal(0))
    for second, equity in points:
        while later and later[0][0] <= second:
            base += later.popleft()[1]
        yield second, equity, equity / base if base > 0 else Decimal(1)


def thinned(points: Rows, most: int, width: int = MINUTE) -> tuple[Rows, int]:
    """The last point of each of at most `most` equal spans, and their width; `width` is the least.

    Points begin with their time in milliseconds and run oldest to newest. Spans begin at multiples of their width
    since 1970 and widths double, so thinning in steps gives the same as thinning at once.
    """
    while points and points[-1][0] // width - points[0][0] // width >= most:
        width *= 2
    return list({point[0] // width: point for point in points}.values()), width
