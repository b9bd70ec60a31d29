"""Bracket or flat: stops and targets that rest at the venue, in line with the plan of each open position.

New orders are sent before old ones are cancelled, and an old one stays until its successor rests. A position
whose stop the venue refuses is closed at once.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from markets.domain.orders import Side
from markets.domain.splitting import pieces
from markets.updates import update_rows

from . import ordering, reports
from .closing import close_all, leaving, live, open_positions
from .domain.bare_times import BareTimes, bare_times
from .domain.brackets import Brackets, Resting, Wanted, needed
from .domain.enforcement import exposed, target_to_place
from .domain.patience import impatient, pausing
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
        brackets = _brackets(position, now)
        place += _unsent(position)
        rows = _rows(position, brackets, now)
        place += rows
        if len(rows) == len(brackets.place):  # else somebody else is at it, and what rests stays until that is done
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
    brackets = _brackets(position, now)
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


def _brackets(position: Position, now: datetime) -> Brackets:
    """What it needs. A stop that its venue refuses is tried less and less often while others cover the position."""
    quantity = abs(position.quantity)
    found = needed(quantity, position.stop, _target(position), _resting(position), _sizes(position))
    later = [wanted for wanted in found.place if _refused_lately(position, wanted, now)]
    if not later or not stopped(position):
        return found
    stops = {order.pk for order in live(position, Role.STOP)}
    place = tuple([wanted for wanted in found.place if wanted not in later])
    return Brackets(place, tuple([pk for pk in found.cancel if pk not in stops]))


def _refused_lately(position: Position, wanted: Wanted, now: datetime) -> bool:
    orders: list[Order] = position.protective  # type: ignore[attr-defined]
    refused = [o for o in orders if o.state == OrderState.REFUSED and o.role == wanted.role == Role.STOP]
    return pausing([o.at for o in refused if (o.trigger, o.quantity) == (wanted.trigger, wanted.quantity)], now)


def _sizes(position: Position) -> tuple[Decimal, ...]:
    """The whole position in as many orders as its venue takes it in; nearly always that is one."""
    return pieces(abs(position.quantity), position.largest, position.step)  # type: ignore[attr-defined]


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
    return target_to_place(position.target, _sizes(position), refused)


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
    rows: list[Order] = []
    lost = {order.role: order.pk for order in live(position, Role.STOP, Role.TARGET) if _lost(order)}
    for wanted in brackets.place:
        try:
            with transaction.atomic():
                order = ordering.protective(
                    position=position,
                    role=Role(wanted.role),
                    trigger=wanted.trigger,
                    quantity=wanted.quantity,
                    replaces=wanted.replaces or lost.get(wanted.role),
                    at=now,
                )
        except IntegrityError:
            continue  # Somebody else is placing the same order at this moment.
        rows.append(order)
        position.protective.append(order)  # type: ignore[attr-defined]
    return rows


def _superseded(cancel: Sequence[Order], placed: Sequence[Order]) -> list[Order]:
    """Those of `cancel` whose successors rest, all of them, or that have none: what still protects stays."""
    resting = set(Order.objects.resting().filter(pk__in=[order.pk for order in placed]).values_list("pk", flat=True))
    awaited = {(order.position_id, order.role) for order in placed if order.pk not in resting}
    return [order for order in cancel if (order.position_id, order.role) not in awaited]


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
        stop=position.stop,
        stop_rests=any(order.trigger == position.stop for order in live(position, Role.STOP)),
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
