"""What is new in what a venue tells: it may tell a thing again, late, or in any order.

Fills are known by the venue's trade id, income by the venue's own id, orders by what they say. It changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from markets.domain.orders import Fill, Income, OrderReport, Report
from markets.exchanges.market_data import Away
from markets.live import instruments
from markets.models import Instrument

from .models import Account, CashEntry, CashKind, Order, Trade

AGAIN = timedelta(minutes=10)  # after which an exchange is asked once more for what it did not list
_asked: dict[tuple[str, str], datetime] = {}
log = structlog.get_logger(__name__)


def take_in(account: Account, reports: Sequence[Report], now: datetime) -> None:
    """Make rows for instruments that are not known here yet, and in which somebody has traded by hand.

    The exchange is asked for them, once in a while. Where it does not answer, nothing changes.
    """
    exchange = account.feed.exchange
    long_ago = now - AGAIN
    due = sorted(s for s in _unknown(account, reports) if _asked.get((exchange, s), long_ago) <= long_ago)
    if not due:
        return
    _asked.update({(exchange, symbol): now for symbol in due})
    try:
        instruments.refresh(exchange, now, symbols=due)
    except Away as away:
        log.warning("instruments_not_taken_in", symbols=due, why=str(away))


def _unknown(account: Account, reports: Sequence[Report]) -> set[str]:
    """The instruments of executions that have no row here."""
    symbols = {report.symbol for report in reports if isinstance(report, Fill)}
    if not symbols:
        return set()
    rows = Instrument.objects.filter(exchange=account.feed.exchange, symbol__in=symbols)
    return symbols - set(rows.values_list("symbol", flat=True))


def fresh(account: Account, reports: Sequence[Report]) -> list[Report]:
    """These reports without those that are booked, and each of the others once. At most four statements.

    Without executions in instruments that have no row, too: the comparison tells of them, and all others are booked.
    """
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
    if unknown := _unknown(account, fills):
        log.warning("not_booked", account=account.pk, instruments=sorted(unknown))
    for report in reports:
        if isinstance(report, Fill) and report.symbol in unknown:
            continue
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
