"""What books are worth now. Reads positions with their marks, writes equity points and the extremes of positions.

A missing mark is an error, never an old price in disguise: every open position has a quote on its feed.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from markets.domain.rounding import ZERO
from markets.models import Feed, FeedKind, Quote
from markets.prepared import Prepared
from markets.updates import update_rows

from .domain.portfolio import AccountPortfolio, HeldPosition, PendingEntry, Portfolio
from .models import Account, Book, BookKind, EquityPoint, Order, OrderState, Position, Role

# What a HeldPosition is made of, in its order: the columns of `marked` positions, and the attributes of their models.
HELD = ["instrument__symbol" if name == "symbol" else name for name in HeldPosition.__dataclass_fields__]
_held_of = attrgetter(*(name.replace("__", ".") for name in HELD))
UNKNOWN_FATE, OTHER_BOOK = "an order of unknown fate", "a position of another book"
_PENDING = ("book", "symbol", "side", "quantity", "filled", "price", "reserved", "leverage")


def marked(positions: QuerySet[Position]) -> QuerySet[Position]:
    """The positions with `mark`: the newest mark price on the feed of their account."""
    quote = Quote.objects.filter(feed=OuterRef("account__feed"), instrument=OuterRef("instrument"))
    return positions.annotate(mark=Subquery(quote.values("mark")[:1])).select_related("instrument")


_POSITIONS = Prepared(
    lambda account: (
        marked(Position.objects.current().filter(account=account)).order_by("id").values_list("book", *HELD)
    ),
    "account",
)
_ENTRIES = Prepared(
    lambda account: (
        Order.objects.live()
        .filter(Q(role=Role.ENTRY) | Q(state=OrderState.UNKNOWN), account=account)
        .annotate(symbol=F("instrument__symbol"))
        .order_by("id")
        .values_list("role", "state", *_PENDING, named=True)
    ),
    "account",
)
_BOOKS = Prepared(
    lambda account: (
        Book.objects.filter(account=account).order_by("id").values_list("id", "currency", "cash", "deposited")
    ),
    "account",
)


def account_portfolio(*, account: Account) -> AccountPortfolio:
    """The portfolio of every book of an account: three statements, whatever the number of positions."""
    positions: dict[int, list[HeldPosition]] = defaultdict(list)
    for book, *values in _POSITIONS(account=account.pk):
        positions[book].append(_valued(*values))
    pending: dict[int, list[PendingEntry]] = defaultdict(list)
    unknown = []
    for order in _ENTRIES(account=account.pk):
        if order.role == Role.ENTRY:
            pending[order.book].append(_pending(order, order.symbol))
        if order.state == OrderState.UNKNOWN:
            unknown.append(order.symbol)
    books = {}
    for pk, currency, cash, deposited in _BOOKS(account=account.pk):
        others = [held.symbol for book, theirs in positions.items() if book != pk for held in theirs]
        blocked = dict.fromkeys(unknown, UNKNOWN_FATE) | dict.fromkeys(others, OTHER_BOOK)
        held = tuple(positions.get(pk, ()))
        books[pk] = Portfolio(pk, currency, cash, deposited, held, tuple(pending.get(pk, ())), blocked)
    return AccountPortfolio(books, account.max_exposure)


def beside(seen: AccountPortfolio, account: Account) -> AccountPortfolio:
    """With what the owner's other accounts have, where the owner has a limit over all of them.

    Those count that are in the same currency and on the same market: the same lock-step feed, or any live one.
    """
    limit = account.owner.max_exposure
    if limit is None:
        return seen
    others = Account.objects.filter(owner=account.owner_id, currency=account.currency).exclude(pk=account.pk)
    same = others.filter(feed=account.feed_id) if account.feed.lock_step else others.filter(feed__kind=FeedKind.LIVE)
    theirs = [account_portfolio(account=other) for other in same.order_by("pk")]
    return replace(
        seen,
        user_max_exposure=limit,
        beside_exposure=sum((one.exposure for one in theirs), ZERO),
        beside_equity=sum((one.equity for one in theirs), ZERO),
    )


def portfolio(book: Book, positions: Iterable[Position], entries: Iterable[Order] = ()) -> Portfolio:
    """The frozen portfolio of one book for its pages: positions that came through `marked`, and its live entries."""
    pending = tuple(_pending(order, order.instrument.symbol) for order in entries)
    return Portfolio(book.pk, book.currency, book.cash, book.deposited, tuple(map(held, positions)), pending)


def held(position: Position) -> HeldPosition:
    """The frozen value of a position that came through `marked`."""
    return _valued(*_held_of(position))


def _valued(*values: Any) -> HeldPosition:
    value = HeldPosition(*values)
    if value.mark is None:
        raise LookupError(f"There is no price for {value.symbol} on the feed of its account.")
    return value


def _pending(order: Any, symbol: str) -> PendingEntry:
    """From an order, or a row of its columns."""
    return PendingEntry.of(
        symbol, order.side == "buy", order.quantity, order.filled, order.price, order.reserved, order.leverage
    )


@transaction.atomic
def record(*, feed: Feed, now: datetime) -> int:
    """An equity point for every bot's book of a feed, and the extremes of open positions. Returns the points.

    It replaces what was written before at the same instant: the guardian may have acted since. A lock-step market
    stands still meanwhile, and where it has left `now` nothing is written: today's marks are not those of then.

    Five statements, whatever the number of books and positions.
    """
    if feed.lock_step and not _stands_at(feed, now):
        return 0
    positions: dict[int, list[HeldPosition]] = defaultdict(list)
    moved = []
    rows = marked(Position.objects.open().filter(account__feed=feed)).values_list("book", "peak", "trough", *HELD)
    for book, peak, trough, *values in rows:
        value = _valued(*values)
        positions[book].append(value)
        if (extremes := _extremes(value, peak, trough)) != (peak, trough):
            moved.append(Position(pk=value.id, peak=extremes[0], trough=extremes[1]))
    books = Book.objects.filter(account__feed=feed, kind=BookKind.BOT).order_by("id").values_list("id", "cash")
    points = [_point(book, cash, positions.get(book, ()), now) for book, cash in books]
    EquityPoint.objects.bulk_create(
        points,
        update_conflicts=True,
        unique_fields=["book", "at"],
        update_fields=["equity", "cash", "exposure"],
    )
    update_rows(moved, ["peak", "trough"])
    return len(points)


def _stands_at(feed: Feed, now: datetime) -> bool:
    """Whether the market is at this instant; it stays there until the transaction ends."""
    rows = Feed.objects.filter(pk=feed.pk, market_now=now).select_for_update(no_key=True)
    return bool(rows.values_list("pk"))


def _point(book: int, cash: Decimal, positions: Iterable[HeldPosition], now: datetime) -> EquityPoint:
    unrealised = sum((position.unrealised for position in positions), ZERO)
    exposure = sum((position.notional for position in positions), ZERO)
    return EquityPoint(book_id=book, at=now, equity=cash + unrealised, cash=cash, exposure=exposure)


def _extremes(position: HeldPosition, peak: Decimal | None, trough: Decimal | None) -> tuple[Decimal, Decimal]:
    """The best and the worst mark there has been, with the one of now."""
    marks = (position.mark, peak or position.mark, trough or position.mark)
    return (max(marks), min(marks)) if position.long else (min(marks), max(marks))
