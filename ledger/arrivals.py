"""What is new in what a venue tells: it may tell a thing again, late, or in any order.

Fills are known by the venue's trade id, income by the venue's own id, orders by what they say. It changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from markets.domain.orders import Fill, Income, OrderReport, Report

from .models import Account, CashEntry, CashKind, Order, Trade


def fresh(account: Account, reports: Sequence[Report]) -> list[Report]:
    """These reports without those that are booked, and each of the others once. At most three statements."""
    if not reports:
        return []
    fills = [report for report in reports if isinstance(report, Fill)]
    incomes = [report for report in reports if isinstance(report, Income)]
    states = [report for report in reports if isinstance(report, OrderReport)]
    seen: set[tuple[str, ...]] = set()
    if fills:
        booked = Trade.objects.filter(account=account, venue_trade_id__in={fill.trade_id for fill in fills})
        seen |= {("fill", *row) for row in booked.values_list("instrument__symbol", "venue_trade_id")}
    if incomes:
        entered = CashEntry.objects.filter(account=account, ref__in={income.income_id for income in incomes})
        seen |= {("income", *row) for row in entered.values_list("kind", "ref")}
    if states:
        seen |= _told(account, states)
    new = []
    begin = account.books_from
    for report in reports:
        name = _name(report)
        if name not in seen and (begin is None or report.at >= begin):
            seen.add(name)
            new.append(report)
    return new


def _name(report: Report) -> tuple[str, ...]:
    if isinstance(report, Fill):
        return "fill", report.symbol, report.trade_id
    if isinstance(report, Income):
        return "income", CashKind.of(report.kind).value, report.income_id
    return "order", report.client_id, report.status.value, f"{report.filled.normalize():f}"


def _told(account: Account, states: Sequence[OrderReport]) -> set[tuple[str, ...]]:
    """What our rows say already."""
    ids = [client_id for report in states if (client_id := ours(report.client_id))]
    rows = Order.objects.filter(account=account, client_id__in=ids)
    told = rows.values_list("client_id", "state", "told_filled")
    return {("order", str(client_id), state, f"{filled.normalize():f}") for client_id, state, filled in told}


def in_order(reports: Sequence[Report]) -> list[Report]:
    """The same with fills and income in the order in which the venue made them; what is said of orders comes last."""
    return sorted(reports, key=_place)


def _place(report: Report) -> tuple[int, datetime, int, str]:
    if isinstance(report, OrderReport):
        return 2, report.at, 0, report.client_id
    name = report.trade_id if isinstance(report, Fill) else report.income_id
    number = int(name) if name.isdecimal() else 0
    return 1, report.at, number, name


def ours(client_id: str | None) -> UUID | None:
    """Client ids of ours are UUIDs; anything else was sent by somebody else."""
    try:
        return UUID(client_id or "")
    except ValueError:
        return None
