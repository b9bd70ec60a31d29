"""The guardian: plans enforced, brackets kept, orphans swept. It needs database and venue, and only reduces risk.

It runs between the steps of a lock-step feed, after each execution, and in a process of its own for feeds on
the wall clock. No model, no task and no web process is needed for it.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import structlog
from django.db.models import Exists, OuterRef, Q

from markets.exchanges.base import Unanswered
from markets.models import Feed

from . import ordering, reports
from .closing import beyond_closing, close_all, glance, leaving, open_positions, too_small
from .domain.enforcement import ENTRY_LIFETIME, exit_due
from .gateway import NoVenue, muted
from .models import Account, Book, Order, OrderState, Position, PositionState, Role, TradingState
from .protection import protect, unfit

log = structlog.get_logger(__name__)


def sweep(*, feed: Feed, now: datetime, but: Collection[int] = ()) -> int:
    """Enforce every plan on a feed at market time `now`, but for these accounts. Returns how many it acted on.

    Where nothing is due this is four statements, whatever the number of accounts and positions.
    """
    acted = 0
    needy = {position.account_id for position in glance(feed) if _needy(position, now)} - set(but)
    positions = open_positions(account__in=needy) if needy else []
    for _, held in groupby(positions, key=attrgetter("account_id")):
        mine = list(held)
        with one_account(mine[0].account):
            acted += enforce(positions=mine, now=now)
    acted += _sweep_orphans(Q(account__feed=feed) & ~Q(account__in=but) if but else Q(account__feed=feed), now)
    _finish_flatten(feed)
    return acted


def sweep_account(*, account: Account, now: datetime) -> bool:
    """The same for one account. True where it acted."""
    acted, positions = False, open_positions(account=account)
    if any(_needy(position, now) for position in positions):
        with one_account(account):
            acted = enforce(positions=positions, now=now)
    return bool(_sweep_orphans(Q(account=account), now)) or acted


def _needy(position: Position, now: datetime) -> bool:
    return not muted(position.account) and bool(_exit_due(position, now) or unfit(position, now))


@contextmanager
def one_account(account: Account) -> Iterator[None]:
    """Work on one account: whatever goes wrong with it, the others are looked after all the same.

    A lock-step market is not driven over an error: it repeats the instant, so that it stays the same to the digit.
    """
    try:
        yield
    except (Unanswered, NoVenue) as silence:
        log.warning("venue_unanswered", account=account.pk, why=str(silence))
    except Exception:
        if account.feed.lock_step:
            raise
        log.exception("account_failed", account=account.pk)


def enforce(*, positions: Sequence[Position], now: datetime) -> bool:
    """Close what is due and cover the rest, for the open positions of one account. True where it acted."""
    account = positions[0].account
    due = {position.pk: why for position in positions if (why := _exit_due(position, now) or _dust(position))}
    closing = close_all(account=account, reasons=due, of=positions, now=now)
    covered = protect(account=account, positions=[p for p in positions if p.pk not in due], now=now)
    return bool(closing or covered)


def _dust(position: Position) -> str:
    """Why a position is over although something of it is left, or nothing: no order and no stop can name so little."""
    return "dust" if position.intent_id is not None and too_small(position) else ""


def _exit_due(position: Position, now: datetime) -> str:
    """Why a position must be closed at once, or nothing."""
    if leaving(position, now):
        return ""
    return exit_due(
        planned=position.intent_id is not None,
        stop=position.stop,
        expires_at=position.expires_at,
        now=now,
        flatten=position.book.flatten_requested_at is not None,
    )


def _sweep_orphans(of: Q, now: datetime) -> int:
    """End orders that outlived what they were for: those that rest are cancelled, those never sent are dropped.

    Reduce-only orders without a position; entries whose position has closed, whose time has passed, or whose
    book must not enter. (An entry that was never sent is settled with its account, in `reports.resolve`.)
    """
    limited = TradingState.objects.limiting(account=OuterRef("account"), book=OuterRef("book"))
    orphaned = Q(reduce_only=True) & ~Q(position__state=PositionState.OPEN)
    late = Q(at__lte=now - ENTRY_LIFETIME) | Q(position__expires_at__lte=now)
    unwanted = Q(role=Role.ENTRY) & (Q(position__state=PositionState.CLOSED) | late | Exists(limited))
    resting = Q(state__in=(OrderState.OPEN, OrderState.PARTLY_FILLED)) & (orphaned | unwanted)
    unsent = Q(state=OrderState.PLANNED, reduce_only=True, position__state=PositionState.CLOSED)
    found = Order.objects.live().filter(of).filter(resting | unsent)
    orders = list(found.select_related("account__feed").order_by("account_id", "id"))
    ordering.drop(orders=[order for order in orders if order.state == OrderState.PLANNED], now=now)
    for _, mine in groupby(orders, key=attrgetter("account_id")):
        cancelled = [order for order in mine if order.state != OrderState.PLANNED]
        if cancelled:
            with one_account(cancelled[0].account):
                reports.cancel(account=cancelled[0].account, orders=cancelled, now=now)
    return len({order.account_id for order in orders})


def _finish_flatten(feed: Feed) -> None:
    """A flatten request ends when its book holds nothing, or nothing but dust that is kept apart."""
    asked = Book.objects.filter(account__feed=feed, flatten_requested_at__isnull=False)
    flat = [book.pk for book in asked if _flat(book)]
    if flat:
        Book.objects.filter(pk__in=flat).update(flatten_requested_at=None)


def _flat(book: Book) -> bool:
    kept = [p.pk for p in open_positions(book=book, intent=None) if beyond_closing(p)]
    return not book.positions.current().exclude(pk__in=kept).exists()
