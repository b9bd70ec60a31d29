"""What the ledger's parts of pages are made from, for views and sockets alike: records, accounts, states.

Every reading starts from its owner. It renders nothing and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from markets.domain.rounding import ZERO

from .domain.portfolio import Portfolio
from .models import Account, Book, CashEntry, Order, Position, Role, Trade, TradingStateKind, User
from .valuation import marked, portfolio

PAGE = 50
NEWEST = 12


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
    book: Book
    holdings: Portfolio

    @property
    def positions(self) -> int:
        return len(self.holdings.positions)


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account with its books. `cash` is the sum of the books and equals the venue's wallet."""

    account: Account
    books: Sequence[BookLine]

    @property
    def cash(self) -> Decimal:
        return sum((line.book.cash for line in self.books), ZERO)

    @property
    def equity(self) -> Decimal:
        return sum((line.holdings.equity for line in self.books), ZERO)

    @property
    def exposure(self) -> Decimal:
        """Notional of all positions over equity."""
        notional = sum((line.holdings.exposure for line in self.books), ZERO)
        return notional / self.equity if self.equity > ZERO else ZERO


def accounts(user: User) -> dict[str, Any]:
    """Every account of a user with its books: three statements."""
    rows = Account.objects.of(user).select_related("feed").order_by("-feed__running", "-feed_id", "name")
    books: dict[int | None, list[Book]] = {}
    for book in Book.objects.of(user).order_by("-kind", "name"):
        books.setdefault(book.account_id, []).append(book)
    open_now: dict[int, list[Position]] = {}
    for position in marked(Position.objects.of(user).open()):
        open_now.setdefault(position.book_id, []).append(position)
    lines = [
        AccountLine(row, [BookLine(b, portfolio(b, open_now.get(b.pk, []))) for b in books.get(row.pk, [])])
        for row in rows
    ]
    return {"accounts": lines}


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
