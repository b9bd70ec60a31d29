"""The guardian: bracket or flat, plans enforced, orphans swept. It needs database and venue, and only reduces risk.

It runs between the steps of a lock-step feed, after each execution, and in a thread of its own for feeds on the
wall clock. No model, no task and no web process is needed for it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q

from markets.domain.orders import Side
from markets.models import Feed

from . import ordering, reports
from .domain.brackets import Brackets, Resting, needed
from .domain.intents import IntentDraft, Kind
from .domain.trailing import trailed
from .models import (
    Account,
    Book,
    Order,
    OrderState,
    Position,
    PositionState,
    Role,
    Source,
    TradingState,
    TradingStateKind,
)
from .ordering import Cause
from .valuation import account_portfolio, marked


def sweep(*, feed: Feed, now: datetime) -> int:
    """Enforce every plan on a feed at market time `now`. Returns the number of accounts it acted on.

    Where nothing is due this is four statements, whatever the number of accounts and positions.
    """
    acted = 0
    positions = open_positions(account__feed=feed)
    for _, held in groupby(positions, key=attrgetter("account_id")):
        acted += enforce(positions=list(held), now=now)
    acted += _sweep_orphans(feed, now)
    _finish_flatten(feed)
    return acted


def enforce(*, positions: Sequence[Position], now: datetime) -> bool:
    """Close what is due and cover the rest, for the open positions of one account. True where it acted."""
    account = positions[0].account
    due = {position.pk: why for position in positions if (why := _exit_due(position, now))}
    closing = _close(account, [p for p in positions if p.pk in due], due, now)
    covered = protect(account=account, positions=[p for p in positions if p.pk not in due], now=now)
    return closing or covered


def open_positions(**filters: object) -> list[Position]:
    """Open positions with their marks, their account and their live protective orders: two statements."""
    protective = Order.objects.live().filter(role__in=(Role.STOP, Role.TARGET, Role.EXIT)).order_by("id")
    related = Prefetch("orders", queryset=protective, to_attr="live_orders")
    positions = marked(Position.objects.open().filter(**filters)).select_related(
        "account__feed", "intent", "book", "instrument"
    )
    return list(positions.prefetch_related(related).order_by("account_id", "id"))


def _exit_due(position: Position, now: datetime) -> str:
    """Why a position must be closed at once, or nothing."""
    if any(order.role == Role.EXIT for order in position.live_orders):  # type: ignore[attr-defined]
        return ""
    if position.book.flatten_requested_at is not None:
        return "flatten"
    if position.expires_at is not None and position.expires_at <= now:
        return "time limit"
    if position.intent is None:
        return ""
    if position.stop is None:
        return "no stop"
    return ""


def protect(*, account: Account, positions: Sequence[Position], now: datetime) -> bool:
    """Bring stops and targets in line with the plans of open positions; close what cannot be covered.

    New orders are sent before old ones are cancelled. A stop that the venue refuses leads to an exit at once.
    """
    place: list[Order] = []
    cancel: list[Order] = []
    for position in positions:
        if position.intent is None:
            continue
        _trail(position)
        brackets = needed(abs(position.quantity), position.stop, position.target, _resting(position))
        place += _unsent(position) + _rows(position, brackets, now)
        cancel += [o for o in position.live_orders if o.pk in brackets.cancel]  # type: ignore[attr-defined]
    if not place and not cancel:
        return False
    answers = ordering.send(account=account, orders=place)
    reports.collect(account=account, now=now, answers=answers)
    reports.cancel(account=account, orders=cancel, now=now)
    _close_uncovered(account, place, now)
    return True


def cover(*, account: Account, now: datetime) -> bool:
    """Bring the brackets of every open position of an account in line with its plan. True where it acted."""
    return protect(account=account, positions=open_positions(account=account), now=now)


def close(*, account: Account, instrument_id: int, why: str, now: datetime) -> int:
    """Close the open position in an instrument; returns how many exits were sent."""
    positions = [position for position in open_positions(account=account) if position.instrument_id == instrument_id]
    return int(_close(account, positions, {position.pk: why for position in positions}, now))


def _trail(position: Position) -> None:
    """Move the stop of a trailing plan after the mark; it only ever tightens."""
    if position.trail is None or position.stop is None:
        return
    mark: Decimal = position.mark  # type: ignore[attr-defined]
    stop = trailed(position.stop, mark, position.trail, position.long, position.instrument.rules)
    if stop != position.stop:
        position.stop = stop
        Position.objects.filter(pk=position.pk).update(stop=stop)


def _resting(position: Position) -> list[Resting]:
    return [
        Resting(order.pk, order.role, order.trigger, order.remaining)
        for order in position.live_orders  # type: ignore[attr-defined]
        if order.role != Role.EXIT
    ]


def _unsent(position: Position) -> list[Order]:
    """Rows that a dead process left planned: they are sent now."""
    return [order for order in position.live_orders if order.state == OrderState.PLANNED]  # type: ignore[attr-defined]


def _rows(position: Position, brackets: Brackets, now: datetime) -> list[Order]:
    rows = []
    for wanted in brackets.place:
        try:
            with transaction.atomic():
                rows.append(
                    ordering.protective(
                        position=position,
                        role=Role(wanted.role),
                        trigger=wanted.trigger,
                        quantity=wanted.quantity,
                        replaces=wanted.replaces,
                        at=now,
                    )
                )
        except IntegrityError:
            continue  # Somebody else is placing the same order at this moment.
    return rows


def _close_uncovered(account: Account, placed: Iterable[Order], now: datetime) -> None:
    """Close positions whose stop was refused; a refused target is left to the guardian's next sweep."""
    stops = [order.pk for order in placed if order.role == Role.STOP]
    if not stops:
        return
    refused = Order.objects.filter(pk__in=stops, state=OrderState.REFUSED).values_list("position_id", flat=True)
    bare = set(refused)
    if bare:
        positions = [position for position in open_positions(account=account) if position.pk in bare]
        _close(account, positions, dict.fromkeys(bare, "stop refused"), now)


def _close(account: Account, positions: Sequence[Position], reasons: dict[int, str], now: datetime) -> bool:
    """Market exits for whole positions, one intent each."""
    orders: list[Order] = []
    for position in positions:
        draft = IntentDraft(
            kind=Kind.CLOSE,
            symbol=position.instrument.symbol,
            long=position.long,
            quantity=abs(position.quantity),
            price=position.mark,  # type: ignore[attr-defined]
            leverage=position.leverage,
            reason=f"Guardian: {reasons[position.pk]}",
        )
        cause = Cause(Source.GUARDIAN, f"position:{position.pk}:{now:%Y%m%dT%H%M%S}", now)
        orders += exit_orders(account=account, position=position, draft=draft, cause=cause)
    if not orders:
        return False
    reports.collect(account=account, now=now, answers=ordering.send(account=account, orders=orders))
    return True


def exit_orders(*, account: Account, position: Position, draft: IntentDraft, cause: Cause) -> list[Order]:
    """Commit one exit; nothing where the same exit was committed before."""
    seen = account_portfolio(account=account)
    position.book.account = account
    try:
        with ordering.locked(book=position.book, seen=seen, cause=cause) as portfolio:
            instruments = {draft.symbol: position.instrument}
            _, orders = ordering.commit(
                book=position.book, portfolio=portfolio, drafts=[draft], instruments=instruments, cause=cause
            )
            return orders
    except IntegrityError:
        return []


def _sweep_orphans(feed: Feed, now: datetime) -> int:
    """Cancel resting reduce-only orders without a position, and entries where trading is not active."""
    scopes = Q(scope="system") | Q(account=OuterRef("account")) | Q(book=OuterRef("book"))
    limited = TradingState.objects.current().exclude(state=TradingStateKind.ACTIVE).filter(scopes)
    orphaned = Q(reduce_only=True) & ~Q(position__state=PositionState.OPEN)
    unwanted = Q(role=Role.ENTRY) & Exists(limited)
    resting = Order.objects.resting().filter(account__feed=feed).filter(orphaned | unwanted)
    orders = list(resting.select_related("account__feed").order_by("account_id", "id"))
    for _, mine in groupby(orders, key=attrgetter("account_id")):
        cancelled = list(mine)
        reports.cancel(account=cancelled[0].account, orders=cancelled, now=now)
    return len({order.account_id for order in orders})


def _finish_flatten(feed: Feed) -> None:
    """A flatten request ends when its book holds nothing."""
    asked = Book.objects.filter(account__feed=feed, flatten_requested_at__isnull=False)
    flat = [book.pk for book in asked if not book.positions.current().exists()]
    if flat:
        Book.objects.filter(pk__in=flat).update(flatten_requested_at=None)


def uncovered(account: Account) -> list[Position]:
    """Open positions of ours without enough resting stop quantity: the invariant of bracket or flat."""
    bare = []
    for position in open_positions(account=account):
        stops = [o for o in position.live_orders if o.role == Role.STOP]  # type: ignore[attr-defined]
        covered = sum((o.remaining for o in stops if o.side == Side.of(-position.quantity)), Decimal(0))
        if position.intent is not None and covered < abs(position.quantity):
            bare.append(position)
    return bare
