"""What the ledger's parts of pages are made from, for views and sockets alike: records, accounts, states.

Every reading starts from its owner. It renders nothing and changes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet, Window
from django.db.models.functions import RowNumber

from markets.domain.rounding import ZERO

from . import states
from .domain.portfolio import Portfolio
from .models import (
    Account,
    Alert,
    Book,
    BookKind,
    CashEntry,
    Discrepancy,
    Order,
    Position,
    Role,
    Trade,
    TradingStateKind,
    User,
)  # fmt: skip
from .valuation import marked, portfolio

PAGE = 50
NEWEST = 12
SHOWN = 6  # differences of an account


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of records, newest first. `older` is the id to go on from, None at the end."""

    rows: Sequence[Any]
    older: int | None


def listing(rows: QuerySet[Any], before: int | None = None, size: int = PAGE) -> Listing:
    """A page by key set: the rows before an id. Cost does not grow with how far back one reads."""
    page = rows.filter(id__lt=before) if before else rows
    found = list(page.order_by("-id")[: size + 1])
    return Listing(found[:size], found[size - 1].pk if len(found) > size else None)


def records(book: Book) -> dict[str, QuerySet[Any]]:
    """The tables of a book by name, ready to be cut into pages."""
    return {
        "positions": Position.objects.closed().filter(book=book).select_related("instrument"),
        "orders": Order.objects.filter(book=book).select_related("instrument"),
        "trades": Trade.objects.filter(book=book).select_related("instrument", "order"),
        "journal": CashEntry.objects.filter(book=book).select_related("position__instrument"),
    }


def newest(book: Book) -> dict[str, Listing]:
    """The newest rows of every table of a book."""
    return {name: listing(rows, size=NEWEST) for name, rows in records(book).items()}


@dataclass(frozen=True, slots=True)
class BookLine:
    """A book with its holdings; `state` is the strictest of system, account and book."""

    book: Book
    holdings: Portfolio
    state: str = TradingStateKind.ACTIVE

    @property
    def positions(self) -> int:
        return sum(1 for held in self.holdings.positions if held.quantity)


@dataclass(frozen=True, slots=True)
class Watch:
    """What a person should see of an account besides its figures: what differs, what is not ours, what is wrong."""

    alerts: Sequence[Alert] = ()
    differences: Sequence[Discrepancy] = ()
    foreign: Sequence[Position] = ()


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account with its books. `cash` is the sum of the books and equals the venue's wallet."""

    account: Account
    books: Sequence[BookLine]
    watch: Watch = Watch()

    @property
    def cash(self) -> Decimal:
        return sum((line.book.cash for line in self.books), ZERO)

    @property
    def equity(self) -> Decimal:
        return sum((line.holdings.equity for line in self.books), ZERO)

    @property
    def notional(self) -> Decimal:
        return sum((line.holdings.exposure for line in self.books), ZERO)

    @property
    def exposure(self) -> Decimal:
        """Notional of all positions and live entries over equity."""
        return self.notional / self.equity if self.equity > ZERO else ZERO

    @property
    def book_ids(self) -> list[int]:
        return [line.book.pk for line in self.books]


def accounts(user: User) -> dict[str, Any]:
    """Every account of a user with its books and what is to be seen of it: eight statements."""
    rows = Account.objects.of(user).select_related("feed").order_by("-feed__running", "-feed_id", "name")
    return {"accounts": watched_lines(rows)}


def watched_lines(rows: Iterable[Account]) -> list[AccountLine]:
    """These accounts with their books and what is to be seen of them: seven statements, whatever their number."""
    lines = account_lines(rows)
    watched = watch([line.account for line in lines])
    return [replace(line, watch=watched[line.account.pk]) for line in lines]


def watch(accounts: Sequence[Account]) -> dict[int, Watch]:
    """The alerts of these accounts, their differences (those that stand, and the newest that ended), and positions
    that nobody manages: three statements.
    """
    alerts: dict[int | None, list[Alert]] = {}
    for alert in Alert.objects.open().filter(account__in=accounts).order_by("-id"):
        alerts.setdefault(alert.account_id, []).append(alert)
    differences: dict[int, list[Discrepancy]] = {}
    newest = Window(RowNumber(), partition_by="account", order_by="-id")
    rows = Discrepancy.objects.filter(account__in=accounts).annotate(place=newest)
    shown = rows.filter(Q(place__lte=SHOWN) | Q(resolved_at__isnull=True)).select_related("by")
    for row in shown.order_by("-id"):
        differences.setdefault(row.account_id, []).append(row)
    foreign: dict[int, list[Position]] = {}
    held = Position.objects.open().filter(account__in=accounts, book__kind=BookKind.UNASSIGNED, intent__isnull=True)
    for position in marked(held).order_by("id"):
        foreign.setdefault(position.account_id, []).append(position)
    pks = [account.pk for account in accounts]
    return {pk: Watch(alerts.get(pk, ()), differences.get(pk, ()), foreign.get(pk, ())) for pk in pks}


def alerts(user: User) -> dict[str, Any]:
    """The open alerts of a user, the newest first, and those that ended last: two statements."""
    rows = Alert.objects.of(user).select_related("account", "book").order_by("-id")
    ended = rows.filter(resolved_at__isnull=False).order_by("-resolved_at", "-id")
    return {"open_alerts": list(rows.open()[:PAGE]), "ended_alerts": list(ended[:PAGE])}


def account_lines(rows: Iterable[Account]) -> list[AccountLine]:
    """These accounts with their books, those of bots first: four statements, whatever their number."""
    accounts = list(rows)
    lines: dict[int | None, list[BookLine]] = {}
    for line in book_lines(Book.objects.filter(account__in=accounts).order_by("-kind", "name")):
        lines.setdefault(line.book.account_id, []).append(line)
    return [AccountLine(account, lines.get(account.pk, [])) for account in accounts]


def book_lines(rows: Iterable[Book]) -> list[BookLine]:
    """What these books hold, reserve and may do: three statements, whatever their number."""
    books = list(rows)
    positions: dict[int, list[Position]] = {}
    for position in marked(Position.objects.current().filter(book__in=books)).order_by("id"):
        positions.setdefault(position.book_id, []).append(position)
    entries: dict[int, list[Order]] = {}
    for order in Order.objects.live().filter(book__in=books, role=Role.ENTRY).select_related("instrument"):
        entries.setdefault(order.book_id, []).append(order)
    strictest = states.strictest_of(books)
    return [
        BookLine(book, portfolio(book, positions.get(book.pk, []), entries.get(book.pk, [])), strictest[book.pk])
        for book in books
    ]


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a change of the system's state will touch, in numbers."""

    state: str
    label: str
    positions: int
    notional: Decimal
    entries: int
    books: int


def consequences(state: str) -> Consequences:
    """What would follow for everybody: the state of the system holds for every account."""
    positions = list(marked(Position.objects.open()))
    return Consequences(
        state=state,
        label=TradingStateKind(state).label,
        positions=len(positions),
        notional=sum((abs(p.quantity) * (getattr(p, "mark", None) or ZERO) for p in positions), ZERO),
        entries=Order.objects.live().filter(role=Role.ENTRY).count(),
        books=Book.objects.filter(kind="bot").count(),
    )
