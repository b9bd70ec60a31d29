"""What books are worth now. Reads positions with their marks, writes equity points and the extremes of positions.

A missing mark is an error, never an old price in disguise: every open position has a quote on its feed.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from markets.domain.rounding import ZERO
from markets.models import Feed, Quote

from .domain.portfolio import AccountPortfolio, HeldPosition, PendingEntry, Portfolio
from .models import Account, Book, BookKind, EquityPoint, Order, OrderState, Position, Role


def marked(positions: QuerySet[Position]) -> QuerySet[Position]:
    """The positions with `mark`: the newest mark price on the feed of their account."""
    quote = Quote.objects.filter(feed=OuterRef("account__feed"), instrument=OuterRef("instrument"))
    return positions.annotate(mark=Subquery(quote.values("mark")[:1])).select_related("instrument")


def account_portfolio(*, account: Account) -> AccountPortfolio:
    """The portfolio of every book of an account: three statements, whatever the number of positions."""
    positions = list(marked(Position.objects.current().filter(account=account)).order_by("id"))
    live = Order.objects.live().filter(account=account).filter(Q(role=Role.ENTRY) | Q(state=OrderState.UNKNOWN))
    orders = list(live.select_related("instrument").order_by("id"))
    books = {
        book.pk: portfolio(book, [p for p in positions if p.book_id == book.pk], orders, positions)
        for book in account.books.order_by("id")
    }
    return AccountPortfolio(books, account.max_exposure)


def portfolio(
    book: Book, positions: Iterable[Position], orders: Iterable[Order] = (), others: Iterable[Position] = ()
) -> Portfolio:
    """The frozen portfolio of one book. `others` are the positions of all books: one instrument, one position."""
    mine = [order for order in orders if order.book_id == book.pk and order.role == Role.ENTRY]
    blocked = {o.instrument.symbol: "an order of unknown fate" for o in orders if o.state == OrderState.UNKNOWN}
    blocked |= {p.instrument.symbol: "a position of another book" for p in others if p.book_id != book.pk}
    return Portfolio(
        book=book.pk,
        currency=book.currency,
        cash=book.cash,
        deposited=book.deposited,
        positions=tuple(held(position) for position in positions),
        pending=tuple(_pending(order) for order in mine),
        blocked=blocked,
    )


def held(position: Position) -> HeldPosition:
    """The frozen value of a position that came through `marked`."""
    mark = position.mark  # type: ignore[attr-defined]
    if mark is None:
        raise LookupError(f"There is no price for {position.instrument.symbol} on the feed of its account.")
    return HeldPosition(
        id=position.pk,
        symbol=position.instrument.symbol,
        long=position.long,
        quantity=position.quantity,
        cost=position.cost,
        mark=mark,
        margin=position.margin,
        leverage=position.leverage,
        opened_at=position.opened_at,
        stop=position.stop,
        target=position.target,
        trail=position.trail,
        expires_at=position.expires_at,
        funding=position.funding,
        fees=position.fees,
        realised=position.realised,
    )


def _pending(order: Order) -> PendingEntry:
    return PendingEntry(
        symbol=order.instrument.symbol,
        long=order.side == "buy",
        quantity=order.remaining,
        price=order.price or order.reserved * order.leverage / order.quantity,
        reserved=order.reserved * order.remaining / order.quantity,
    )


@transaction.atomic
def record(*, feed: Feed, now: datetime) -> int:
    """An equity point for every bot's book of a feed, and the extremes of open positions. Returns the points."""
    books = Book.objects.filter(account__feed=feed, kind=BookKind.BOT).order_by("id")
    positions = list(marked(Position.objects.open().filter(account__feed=feed)))
    values = {position.pk: held(position) for position in positions}
    points = [_point(book, [values[p.pk] for p in positions if p.book_id == book.pk], now) for book in books]
    EquityPoint.objects.bulk_create(points, ignore_conflicts=True)
    moved = [position for position in positions if _extreme(position, values[position.pk].mark)]
    if moved:
        Position.objects.bulk_update(moved, ["peak", "trough"])
    return len(points)


def _point(book: Book, positions: list[HeldPosition], now: datetime) -> EquityPoint:
    unrealised = sum((position.unrealised for position in positions), ZERO)
    exposure = sum((position.notional for position in positions), ZERO)
    return EquityPoint(book=book, at=now, equity=book.cash + unrealised, cash=book.cash, exposure=exposure)


def _extreme(position: Position, mark: Decimal) -> bool:
    """Widen peak (best mark) and trough (worst mark); whether anything changed."""
    high, low = (
        max(mark, position.peak or mark, position.trough or mark),
        min(mark, position.peak or mark, position.trough or mark),
    )
    best, worst = (high, low) if position.long else (low, high)
    changed = (best, worst) != (position.peak, position.trough)
    position.peak, position.trough = best, worst
    return changed
