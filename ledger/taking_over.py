"""Takes over orders that a person has adopted: a stop or target of somebody else becomes the plan of the position it
closes, ours is placed, and only once that rests is the other one cancelled.

The order itself stays what it was until then, so there is no moment without protection.
"""

from datetime import datetime
from decimal import Decimal

from markets.domain.orders import Confirmed, OrderReport, OrderType, Side
from markets.domain.rounding import ZERO
from markets.exchanges.base import Remote

from . import discrepancies
from .adopting import unfit_prices
from .closing import live, open_positions
from .gateway import venue_of
from .models import Account, Discrepancy, Outcome, Position, Role
from .protection import RESTING

ROLES = {OrderType.STOP: Role.STOP, OrderType.TARGET: Role.TARGET}


def carry_out(*, account: Account, wall: datetime) -> None:
    """One step for each order that was adopted: change the plan, wait for ours, cancel the other. Raises Unanswered."""
    asked = Discrepancy.objects.standing().filter(account=account, outcome=Outcome.FOREIGN, by__isnull=False)
    rows = list(asked.select_related("by").order_by("pk"))
    if not rows or account.certain:
        return
    venue: Remote = venue_of(account)  # type: ignore[assignment]
    shown = {report.client_id or report.venue_id: report for report in venue.open_orders()}
    changed, levels = False, dict[tuple[str, str], Decimal | None]()
    for row in rows:
        report = shown.get(row.what.removeprefix("order "))
        if report is None:
            continue  # it has ended meanwhile, and the next comparison says so
        if levels.setdefault((report.symbol, report.type), report.trigger) == report.trigger:
            changed |= _step(account, venue, row, report, wall)
        else:
            why = f"another {report.type} of {report.symbol} is being taken over; ask again once it is."
            discrepancies.answer(row=row, done=f"Not adopted: {why}", by=None)
    if changed:  # else it waits for something, and is looked at again when the account is
        Account.objects.filter(pk=account.pk, compare_asked_at=None).update(compare_asked_at=wall)


def _step(account: Account, venue: Remote, row: Discrepancy, report: OrderReport, wall: datetime) -> bool:
    """True where it changed the plan: then ours is placed in the next round."""
    held = open_positions(account=account, instrument__symbol=report.symbol, intent__isnull=False)
    why = _unfit(report, held[0] if held else None)
    if why:
        discrepancies.answer(row=row, done=f"Not adopted: {why}", by=None)
        return False
    position, role = held[0], ROLES[report.type]
    if getattr(position, role) != report.trigger:
        Position.objects.filter(pk=position.pk).update(**{role: report.trigger})
        return True
    if _rests(position, role, report) and isinstance(venue.cancel_foreign(report), Confirmed):
        done = f"Adopted into {position.book.name}: its own {role} rests at the same price; this one is cancelled."
        discrepancies.settle(row=row, outcome=Outcome.ADOPTED, done=done, by=row.by, wall=wall)
    return False


def _rests(position: Position, role: Role, report: OrderReport) -> bool:
    """Whether ours stands in for it: at the same price, and for all of the position."""
    ours = [order for order in live(position, role) if order.state in RESTING and order.trigger == report.trigger]
    return sum((order.remaining for order in ours), ZERO) >= abs(position.quantity)


def _unfit(report: OrderReport, position: Position | None) -> str:
    """Why it cannot be taken over, in one sentence; or nothing."""
    if report.type not in ROLES or not report.reduce_only or report.trigger is None:
        kind = f"a {report.type} order" if report.type not in ROLES else "one that may open a position"
        kind = "a trailing stop" if report.type is OrderType.STOP and report.trigger is None else kind
        return f"only a reduce-only stop or target can be, and this is {kind}; cancel it at the exchange or leave it."
    if position is None:
        return f"no bot holds {report.symbol}; adopt the position first."
    if report.side != Side.of(-position.quantity):
        return f"it would not close the {position.direction} position in {report.symbol}."
    if position.trail is not None and report.type is OrderType.STOP:
        return f"the stop of {report.symbol} follows the price by itself; cancel this one at the exchange or leave it."
    if getattr(position, ROLES[report.type]) == report.trigger:
        return ""
    if position.mark is None:  # type: ignore[attr-defined]
        return f"there is no price of {report.symbol} on this feed, so it cannot be checked."
    prices = {"stop": report.trigger} if report.type is OrderType.STOP else {"target": report.trigger}
    return unfit_prices(position, **prices)
