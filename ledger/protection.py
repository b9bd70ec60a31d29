"""Bracket or flat: stops and targets that rest at the venue, in line with the plan of each open position.

New orders are sent before old ones are cancelled, and an old one stays until its successor rests. A position
whose stop the venue refuses is closed at once.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from markets.domain.orders import Side
from markets.updates import update_rows

from . import ordering, reports
from .closing import close_all, leaving, live, open_positions
from .domain.bare_times import BareTimes, bare_times
from .domain.brackets import Brackets, Resting, needed
from .domain.enforcement import exposed, target_to_place
from .domain.patience import impatient
from .domain.trailing import trailed
from .models import Account, Book, Order, OrderState, Position, Role

NEWEST = 1000  # positions that the figure is taken over
RESTING = (OrderState.OPEN, OrderState.PARTLY_FILLED)


def cover(*, account: Account, now: datetime) -> bool:
    """Bring the brackets of every open position of an account in line with its plan. True where it acted."""
    return protect(account=account, positions=open_positions(account=account), now=now)


def protect(*, account: Account, positions: Sequence[Position], now: datetime) -> bool:
    """Place what is missing and cancel what no longer fits, for positions that came through `open_positions`."""
    place: list[Order] = []
    cancel: list[Order] = []
    for position in positions:
        if position.intent is None:
            continue
        _trail(position)
        brackets = _brackets(position)
        place += _unsent(position) + _rows(position, brackets, now)
        cancel += [order for order in live(position, Role.STOP, Role.TARGET) if order.pk in brackets.cancel]
    if place:
        reports.collect(account=account, now=now, answers=ordering.send(account=account, orders=place))
    if cancel:
        reports.cancel(account=account, orders=_superseded(cancel, place), now=now)
    waited = any(_overdue(position, now) or _misnoted(position) for position in positions)
    if place or cancel or waited:
        _settle(account, now, {position.pk for position in positions})
    return bool(place or cancel or waited)


def unfit(position: Position, now: datetime) -> bool:
    """Whether `protect` may have something to do for a position that came through `closing.glance`."""
    if position.intent_id is None:
        return False
    brackets = _brackets(position)
    return bool(brackets.place or brackets.cancel or _unsent(position) or _lags(position)) or (
        _overdue(position, now) or _misnoted(position)
    )


def _overdue(position: Position, now: datetime) -> bool:
    """Whether a stop that was sent has not been confirmed in time. Our own venue confirms at once."""
    if position.account.certain or position.intent_id is None or leaving(position, now):
        return False
    return not confirmed(position) and impatient(position.unprotected_since, now)


def _misnoted(position: Position) -> bool:
    """Whether a stop was confirmed or lost since the time without one was last written down."""
    if position.account.certain or position.intent_id is None:
        return False
    return confirmed(position) != (position.unprotected_since is None)


def _brackets(position: Position) -> Brackets:
    return needed(abs(position.quantity), position.stop, _target(position), _resting(position))


def _lags(position: Position) -> bool:
    """Whether the mark has gone further than a trailing stop has followed, before rounding to the tick."""
    if position.trail is None or position.stop is None:
        return False
    mark: Decimal = position.mark  # type: ignore[attr-defined]
    if position.long:
        return mark * (1 - position.trail) > position.stop
    return mark * (1 + position.trail) < position.stop


def _trail(position: Position) -> None:
    """Move the stop of a trailing plan after the mark; it only ever tightens."""
    if position.trail is None or position.stop is None:
        return
    mark: Decimal = position.mark  # type: ignore[attr-defined]
    stop = trailed(position.stop, mark, position.trail, position.long, position.instrument.rules)
    if stop != position.stop:
        unmoved = Position.objects.filter(pk=position.pk, stop=position.stop)
        position.stop = stop
        if not unmoved.update(stop=stop):  # a decision was faster; the next sweep goes on from there
            position.refresh_from_db(fields=["stop"])


def _target(position: Position) -> Decimal | None:
    orders: list[Order] = position.protective  # type: ignore[attr-defined]
    refused = [(o.trigger, o.quantity) for o in orders if o.state == OrderState.REFUSED and o.role == Role.TARGET]
    return target_to_place(position.target, abs(position.quantity), refused)


def _resting(position: Position) -> list[Resting]:
    orders = [order for order in live(position, Role.STOP, Role.TARGET) if not _lost(order)]
    return [Resting(order.pk, order.role, order.trigger or Decimal(0), order.remaining) for order in orders]


def _lost(order: Order) -> bool:
    """Whether its venue was asked for it and does not show it: another one takes its place, also if it turns up."""
    return order.state == OrderState.UNKNOWN and order.lookups > 0


def _unsent(position: Position) -> list[Order]:
    """Rows that a dead process left planned: they are sent now."""
    return [o for o in live(position, Role.STOP, Role.TARGET, Role.EXIT) if o.state == OrderState.PLANNED]


def _rows(position: Position, brackets: Brackets, now: datetime) -> list[Order]:
    rows = []
    lost = {order.role: order.pk for order in live(position, Role.STOP, Role.TARGET) if _lost(order)}
    for wanted in brackets.place:
        try:
            with transaction.atomic():
                rows.append(
                    ordering.protective(
                        position=position,
                        role=Role(wanted.role),
                        trigger=wanted.trigger,
                        quantity=wanted.quantity,
                        replaces=wanted.replaces or lost.get(wanted.role),
                        at=now,
                    )
                )
        except IntegrityError:
            continue  # Somebody else is placing the same order at this moment.
    return rows


def _superseded(cancel: Sequence[Order], placed: Sequence[Order]) -> list[Order]:
    """Those of `cancel` whose successor rests, or that have none: what still protects stays."""
    successors = {order.replaces_id: order.pk for order in placed if order.replaces_id is not None}
    resting = set(Order.objects.resting().filter(pk__in=successors.values()).values_list("pk", flat=True))
    return [order for order in cancel if order.pk not in successors or successors[order.pk] in resting]


def _settle(account: Account, now: datetime, among: Collection[int]) -> None:
    """After placing: close what has no stop or is beyond its target, and write how long each was unprotected.

    Only of those that were to be covered: one that another cycle of the account has filled meanwhile gets its stop
    from that cycle, and must not be closed for want of it.
    """
    positions = [position for position in open_positions(account=account) if position.pk in among]
    reasons = {position.pk: why for position in positions if position.intent and (why := _exposed(position, now))}
    _note_unprotected([position for position in positions if position.intent], now)
    close_all(account=account, reasons=reasons, of=positions, now=now)


def _exposed(position: Position, now: datetime) -> str:
    """Why a position cannot stay open, or nothing."""
    if leaving(position, now):
        return ""
    return exposed(
        covered=(stopped(position) and not _overdue(position, now)) or _may_wait(position, now),
        target=position.target,
        target_rests=bool(live(position, Role.TARGET)),
        mark=position.mark,  # type: ignore[attr-defined]
        long=position.long,
    )


def _may_wait(position: Position, now: datetime) -> bool:
    """Whether a stop that is missing may still come: at a venue that did not refuse it, and for a few seconds only."""
    if position.account.certain or impatient(position.unprotected_since, now):
        return False
    stops = [order for order in position.protective if order.role == Role.STOP]  # type: ignore[attr-defined]
    return not stops or stops[-1].state != OrderState.REFUSED


def stopped(position: Position) -> bool:
    """Whether live stops cover all of a position that came through `open_positions`."""
    return _covering(position, live(position, Role.STOP))


def confirmed(position: Position) -> bool:
    """The same by stops that rest at the venue for certain. Our own venue has what it was sent."""
    if position.account.certain:
        return stopped(position)
    return _covering(position, [order for order in live(position, Role.STOP) if order.state in RESTING])


def _covering(position: Position, stops: Sequence[Order]) -> bool:
    against = [order for order in stops if order.side == Side.of(-position.quantity)]
    return sum((order.remaining for order in against), Decimal(0)) >= abs(position.quantity)


def _note_unprotected(positions: Sequence[Position], now: datetime) -> None:
    """Time without a resting stop: from the first fill, or from when a stop was found missing.

    In market time where the market waits for us, else in wall time, which has gone on since `now`.
    """
    changed = []
    for position in positions:
        if confirmed(position) == (position.unprotected_since is None):
            continue
        at = now if position.account.feed.lock_step else max(now, datetime.now(UTC))
        if position.unprotected_since is None:
            position.unprotected_since = at
        else:
            position.unprotected_seconds += max(0.0, (at - position.unprotected_since).total_seconds())
            position.unprotected_since = None
        changed.append(position)
    update_rows(changed, ["unprotected_since", "unprotected_seconds"])


def uncovered(account: Account) -> list[Position]:
    """Open positions of ours without enough stop quantity at the venue: the invariant of bracket or flat."""
    return [p for p in open_positions(account=account) if p.book.kind == "bot" and not confirmed(p)]


def bare_seconds(book: Book) -> BareTimes | None:
    """How long the newest positions of a book had no stop at their venue, open ones as far as it is written down."""
    ran = Position.objects.filter(book=book, opened_at__isnull=False, intent__isnull=False).order_by("-id")
    return bare_times(ran.values_list("unprotected_seconds", flat=True)[:NEWEST])
