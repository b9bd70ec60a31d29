"""Finds out what became of orders that were sent without a known answer. It asks; it never sends.

The paper venue answers for certain. Any other may show an order late: it is looked for by its client id, then in
open orders, fills and position, and «not found» is final only after several tries, minutes and a position check.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from markets.domain.orders import Answer, Confirmed, Denied, OrderReport, OrderType, Refused, Side, VenueStatus
from markets.domain.rounding import ZERO
from markets.exchanges.base import Venue

from . import ordering
from .domain import lookups as rules
from .gateway import venue_of
from .models import Account, Order, OrderState, Position, Role

GONE = Refused("never_arrived", "The venue does not know this order: it never arrived.")
# A stop whose process died on the way is looked up so soon, and where it is not found another one takes its place.
STOP_IN_FLIGHT = timedelta(seconds=1)
UNSENT = Denied("not_sent", "The process ended before this order was sent.")


def fates(*, account: Account, alone: bool) -> dict[int, Answer]:
    """What became of the orders a dead process left behind: sending and unknown ones are looked up, never sent.

    Unless this process is known to be `alone`, an order that was claimed a short while ago may still be on its
    way and is left for later. Planned entries are dropped, since the moment they were decided for has gone;
    planned exits stay for the guardian. Raises Unanswered where the venue does not answer.
    """
    wall = datetime.now(UTC)
    late = wall - ordering.IN_FLIGHT
    doubtful = account.orders.live().filter(state__in=(OrderState.SENDING, OrderState.UNKNOWN)).order_by("id")
    unsent = account.orders.live().filter(state=OrderState.PLANNED, role=Role.ENTRY)
    if not alone:
        unsent = unsent.filter(created_at__lt=late)
    venue = venue_of(account)
    if account.certain:
        doubtful = doubtful if alone else doubtful.filter(sent_at__lt=late)
        found: dict[int, Answer] = {order.pk: certain(venue.order(str(order.client_id))) for order in doubtful}
    else:
        due = [order for order in doubtful.select_related("instrument", "position") if alone or _due(order, wall)]
        found = _looked_up(account, venue, due, wall) if due else {}
    return found | {order.pk: UNSENT for order in unsent if ordering.withhold(order)}


def _due(order: Order, wall: datetime) -> bool:
    if order.state == OrderState.UNKNOWN:
        return order.lookup_at is None or order.lookup_at <= wall
    patience = STOP_IN_FLIGHT if _awaited(order) else ordering.IN_FLIGHT
    return order.sent_at is None or order.sent_at < wall - patience


def _awaited(order: Order) -> bool:
    """Whether it is the stop that a position is waiting for: placed twice it does no harm, and not at all it does."""
    return order.role == Role.STOP and order.position is not None and order.position.unprotected_since is not None


def certain(report: OrderReport | None) -> Answer:
    if report is None:
        return GONE
    if report.status == VenueStatus.REFUSED:
        return Refused("refused", report.reason)
    return Confirmed(report)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a venue shows at one moment: its open orders by client id, and its positions by symbol."""

    resting: Mapping[str, OrderReport]
    held: Mapping[str, Decimal]


def _looked_up(account: Account, venue: Venue, orders: Iterable[Order], wall: datetime) -> dict[int, Answer]:
    """The fate of each order that has one now; the others are noted as looked for in vain."""
    answers: dict[int, Answer] = {}
    missing: list[Order] = []
    for order in orders:
        report = venue.order(str(order.client_id))
        if report is None:
            missing.append(order)
        else:
            answers[order.pk] = certain(report)
    if missing:
        shown = Evidence(
            {report.client_id: report for report in venue.open_orders()},
            {position.symbol: position.quantity for position in venue.positions()},
        )
        vain = []
        for order in missing:
            answer = _elsewhere(account, order, shown, wall)
            if answer is None:
                vain.append(order)
            else:
                answers[order.pk] = answer
        ordering.missed(orders=vain, wall=wall)
        ordering.postpone(orders=[order for order in vain if _overdue(order, wall)], wall=wall)
    return answers


def _overdue(order: Order, wall: datetime) -> bool:
    return order.lookups >= rules.TRIES and order.deadline_at is not None and order.deadline_at <= wall


def _elsewhere(account: Account, order: Order, shown: Evidence, wall: datetime) -> Answer | None:
    """By open orders, fills and position; None where its fate stays open."""
    resting = shown.resting.get(str(order.client_id))
    if resting is not None:
        return Confirmed(resting)
    symbol = order.instrument.symbol
    explained = shown.held.get(symbol, ZERO) == _ours(account, order)
    if order.filled >= order.quantity:
        return Confirmed(_from_fills(order, VenueStatus.FILLED, wall))
    final = rules.never_arrived(tries=order.lookups + 1, deadline_at=order.deadline_at, wall=wall, explained=explained)
    if not final:
        return None
    order_lives_on = order.filled > 0 or order.venue_id
    return Confirmed(_from_fills(order, VenueStatus.CANCELLED, wall)) if order_lives_on else _gone(order)


def _gone(order: Order) -> Answer:
    return Refused(GONE.code, f"{GONE.message[:-1]} (looked for {order.lookups + 1} times).")


def _ours(account: Account, order: Order) -> Decimal:
    held = Position.objects.open().filter(account=account, instrument=order.instrument_id)
    return held.values_list("quantity", flat=True).first() or ZERO


def _from_fills(order: Order, status: VenueStatus, wall: datetime) -> OrderReport:
    """The report that a venue which has forgotten an order would give, from the fills it has shown."""
    return OrderReport(
        client_id=str(order.client_id), venue_id=order.venue_id, symbol=order.instrument.symbol,
        side=Side(order.side), type=OrderType(order.type), status=status, quantity=order.quantity,
        filled=order.filled, at=wall, price=order.price, trigger=order.trigger, reduce_only=order.reduce_only,
        reason="" if status == VenueStatus.FILLED else "The venue does not know it any more.",
    )  # fmt: skip
