"""Closing positions at the market: one committed exit for each, through the same door as every order.

An exit may be asked for by the guardian, by an invalidation or by a person; nothing here decides whether.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import F, Prefetch, QuerySet

from markets.domain.rounding import plain
from markets.models import Feed

from . import booking, ordering, reports, states
from .domain.dust import below_a_step, is_dust
from .domain.intents import IntentDraft, Kind
from .domain.patience import EXIT_CAP, pausing, under_way
from .models import Account, Order, OrderState, Position, Role, Source, TradingStateKind
from .ordering import Cause
from .valuation import account_portfolio, marked

GLANCE = (
    *("account", "intent", "long", "quantity", "stop", "target", "trail", "expires_at", "unprotected_since"),
    *("book__flatten_requested_at", "account__kind"),
)
ORDERS = {"largest": F("instrument__max_quantity"), "step": F("instrument__step")}
GLANCED = ("position", "intent", "role", "state", "side", "trigger", "quantity", "filled", "at", "sent_at", "lookups")


def open_positions(**filters: object) -> list[Position]:
    """Open positions with their marks, account and, as `protective`, their live and refused orders: two statements.

    `largest` is the largest order that the venue takes there (None: not known), `step` that of quantities.
    """
    positions = (
        marked(Position.objects.open().filter(**filters))
        .annotate(**ORDERS)
        .select_related("account__feed", "intent", "book", "instrument")
    )
    related = Prefetch("orders", queryset=_protective(), to_attr="protective")
    return list(positions.prefetch_related(related).order_by("account_id", "id"))


def glance(feed: Feed) -> list[Position]:
    """The open positions of a feed with what tells whether one needs anything, and no more: two statements."""
    positions = marked(Position.objects.open().filter(account__feed=feed)).annotate(**ORDERS).select_related(None)
    positions = positions.select_related("book", "account")
    orders = _protective().only(*GLANCED)
    related = Prefetch("orders", queryset=orders, to_attr="protective")
    return list(positions.prefetch_related(related).only(*GLANCE))


def _protective() -> QuerySet[Order]:
    states = (*OrderState.live(), OrderState.REFUSED)
    return Order.objects.filter(state__in=states, role__in=(Role.STOP, Role.TARGET, Role.EXIT)).order_by("id")


def live(position: Position, *roles: str) -> list[Order]:
    """The live protective orders of a position that came through `open_positions`, of these roles."""
    return [order for order in position.protective if order.role in roles and not order.ended]  # type: ignore[attr-defined]


def leaving(position: Position, now: datetime) -> bool:
    """Whether an exit is under way, or it is too early for another one after some that failed.

    At a venue that may not answer, an exit of unknown fate is waited for a few seconds only: exits are
    reduce-only, so one that arrives after all finds nothing left to close.
    """
    exits = live(position, Role.EXIT)
    if position.account.certain:
        return bool(exits)
    wall = datetime.now(UTC)
    if any(_may_arrive(order, wall) for order in exits):
        return True
    return pausing([order.at for order in failed_exits(position)], now)


def _may_arrive(order: Order, wall: datetime) -> bool:
    """Whether an exit is waited for. One that a process died over is not, once its venue would refuse it."""
    if order.state == OrderState.SENDING:
        return order.sent_at is None or wall - order.sent_at < ordering.RECEIVE_WINDOW
    return order.state != OrderState.UNKNOWN or under_way(order.sent_at, wall)


def failed_exits(position: Position) -> list[Order]:
    """Exits that were refused or have no known fate, for a position that came through `open_positions`.

    One of each attempt, in however many pieces it went.
    """
    states = (OrderState.REFUSED, OrderState.UNKNOWN)
    orders: list[Order] = position.protective  # type: ignore[attr-defined]
    return list({o.intent_id: o for o in orders if o.role == Role.EXIT and o.state in states}.values())


def close(*, account: Account, instrument_id: int, why: str, now: datetime) -> int:
    """Close the open position in an instrument; returns how many exits were sent."""
    positions = open_positions(account=account, instrument_id=instrument_id)
    return close_all(account=account, reasons={position.pk: why for position in positions}, of=positions, now=now)


def close_all(*, account: Account, reasons: Mapping[int, str], of: Sequence[Position], now: datetime) -> int:
    """Market exits for the whole positions that have a reason; returns how many were sent."""
    orders: list[Order] = []
    for position in of:
        if position.pk in reasons:
            if beyond_closing(position):
                if position.intent is not None:  # else it is kept apart already
                    booking.set_aside(position=position, at=now)
                continue
            if len(failed_exits(position)) >= EXIT_CAP:
                _restrain(position)
            orders += _exit(account, position, reasons[position.pk], now)
    if not orders:
        return 0
    answers = ordering.send(account=account, orders=orders)
    reports.collect(account=account, now=now, answers=answers)
    return len(answers)


def beyond_closing(position: Position) -> bool:
    """Whether what is left can only be kept apart: no order can name it, or its venue does not take one so small."""
    return too_small(position) or _refused_dust(position)


def too_small(position: Position) -> bool:
    """Whether no order can close what is left, and none is under way that still does."""
    return below_a_step(position.quantity, position.instrument.rules) and not live(position, Role.EXIT)


def _refused_dust(position: Position) -> bool:
    """Whether the venue has refused to close a remainder that is smaller than an order may be."""
    mark: Decimal = position.mark  # type: ignore[attr-defined]
    refused = any(order.state == OrderState.REFUSED for order in failed_exits(position))
    return refused and is_dust(position.quantity, mark, position.instrument.rules)


def _restrain(position: Position) -> None:
    """Its exits fail again and again: no new exposure for its book, until a person has looked."""
    why = failed_exits(position)[-1].reason
    reason = f"{EXIT_CAP} exits of {position.instrument.symbol} failed: {why}"[:300]
    states.tighten(scope=position.book, state=TradingStateKind.REDUCE_ONLY, reason=reason, by=None)


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
    # At a venue that may not answer, or takes a part only, another one may be due in the same second; two processes
    # still make the same.
    again = "" if account.certain else f":{len(failed_exits(position))}:{plain(abs(position.quantity))}"
    cause = Cause(Source.GUARDIAN, f"position:{position.pk}:{now:%Y%m%dT%H%M%S}{again}", now)
    position.book.account = account
    instruments = {draft.symbol: position.instrument}
    seen = account_portfolio(account=account)
    try:
        with ordering.locked(book=position.book, seen=seen, cause=cause) as portfolio:
            held = portfolio.books[position.book_id].position(draft.symbol)
            if held is None or held.id != position.pk:
                return []
            if not account.certain and _another(position):
                return []
            return ordering.commit(
                book=position.book, portfolio=portfolio, drafts=[draft], instruments=instruments, cause=cause
            )[1]
    except IntegrityError:
        return []


def _another(position: Position) -> bool:
    """Whether somebody has begun to close it since it was read. Our own venue's exits are named by their instant."""
    known = [order.pk for order in position.protective]  # type: ignore[attr-defined]
    exits = Order.objects.live().filter(position_id=position.pk, role=Role.EXIT)
    return exits.exclude(pk__in=known).exists()
