"""Closing positions at the market: one committed exit for each, through the same door as every order.

An exit may be asked for by the guardian, by an invalidation or by a person; nothing here decides whether.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError
from django.db.models import Prefetch, QuerySet

from markets.models import Feed

from . import ordering, reports
from .domain.intents import IntentDraft, Kind
from .models import Account, Order, OrderState, Position, Role, Source
from .ordering import Cause
from .valuation import account_portfolio, marked

GLANCE = (
    *("account", "intent", "long", "quantity", "stop", "target", "trail", "expires_at"),
    "book__flatten_requested_at",
)


def open_positions(**filters: object) -> list[Position]:
    """Open positions with their marks, account and, as `protective`, their live and refused orders: two statements."""
    positions = marked(Position.objects.open().filter(**filters)).select_related(
        "account__feed", "intent", "book", "instrument"
    )
    related = Prefetch("orders", queryset=_protective(), to_attr="protective")
    return list(positions.prefetch_related(related).order_by("account_id", "id"))


def glance(feed: Feed) -> list[Position]:
    """The open positions of a feed with what tells whether one needs anything, and no more: two statements."""
    positions = marked(Position.objects.open().filter(account__feed=feed)).select_related(None).select_related("book")
    orders = _protective().only("position", "role", "state", "side", "trigger", "quantity", "filled")
    related = Prefetch("orders", queryset=orders, to_attr="protective")
    return list(positions.prefetch_related(related).only(*GLANCE))


def _protective() -> QuerySet[Order]:
    states = (*OrderState.live(), OrderState.REFUSED)
    return Order.objects.filter(state__in=states, role__in=(Role.STOP, Role.TARGET, Role.EXIT)).order_by("id")


def live(position: Position, *roles: str) -> list[Order]:
    """The live protective orders of a position that came through `open_positions`, of these roles."""
    return [order for order in position.protective if order.role in roles and not order.ended]  # type: ignore[attr-defined]


def close(*, account: Account, instrument_id: int, why: str, now: datetime) -> int:
    """Close the open position in an instrument; returns how many exits were sent."""
    positions = open_positions(account=account, instrument_id=instrument_id)
    return close_all(account=account, reasons={position.pk: why for position in positions}, of=positions, now=now)


def close_all(*, account: Account, reasons: Mapping[int, str], of: Sequence[Position], now: datetime) -> int:
    """Market exits for the whole positions that have a reason; returns how many were sent."""
    orders: list[Order] = []
    for position in of:
        if position.pk in reasons:
            orders += _exit(account, position, reasons[position.pk], now)
    if not orders:
        return 0
    answers = ordering.send(account=account, orders=orders)
    reports.collect(account=account, now=now, answers=answers)
    return len(answers)


def _exit(account: Account, position: Position, why: str, now: datetime) -> list[Order]:
    """Commit one exit; nothing where the same exit was committed before, or the position has gone meanwhile."""
    draft = IntentDraft(
        kind=Kind.CLOSE,
        symbol=position.instrument.symbol,
        long=position.long,
        quantity=abs(position.quantity),
        price=position.mark,  # type: ignore[attr-defined]
        leverage=position.leverage,
        reason=f"Guardian: {why}",
    )
    cause = Cause(Source.GUARDIAN, f"position:{position.pk}:{now:%Y%m%dT%H%M%S}", now)
    position.book.account = account
    instruments = {draft.symbol: position.instrument}
    seen = account_portfolio(account=account)
    try:
        with ordering.locked(book=position.book, seen=seen, cause=cause) as portfolio:
            held = portfolio.books[position.book_id].position(draft.symbol)
            if held is None or held.id != position.pk:
                return []
            return ordering.commit(
                book=position.book, portfolio=portfolio, drafts=[draft], instruments=instruments, cause=cause
            )[1]
    except IntegrityError:
        return []
