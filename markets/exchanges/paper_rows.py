"""The paper venue's rows as states of the engine, and back: only what changed, in a fixed number of statements.

The caller holds the transaction and has locked the accounts. Nothing is decided here.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from markets.domain.orders import OrderReport, OrderRequest, OrderType, Report, Side, VenuePosition, VenueStatus
from markets.domain.venue_state import VenueOrder, VenueState
from markets.models import Instrument, PaperAccount, PaperOrder, PaperPosition, PaperReport
from markets.updates import update_rows

from .report_json import encode, kind_of, ref_of

_REASON_LENGTH = 200
_POSITION_FIELDS = ("quantity", "cost", "margin", "leverage")
# In the order in which a request takes them.
_REQUEST_FIELDS = ("client_id", "side", "type", "quantity", "price", "trigger", "reduce_only", "leverage")
_ORDER_FIELDS = ("status", "quantity", "filled", "reason", "live", "at")

_Row = tuple[Any, ...]


@dataclass(slots=True)
class Customer:
    """One locked account: row ids of live orders by client id and of positions by symbol, and its state as loaded."""

    account: PaperAccount
    orders: Mapping[str, int]
    positions: Mapping[str, int]
    state: VenueState


@dataclass(slots=True)
class Loaded:
    """Customers with all instruments that they hold or have orders in, and those asked for, by id."""

    customers: Sequence[Customer]
    instruments: Mapping[int, Instrument]

    def pk_of(self, symbol: str) -> int:
        return next(pk for pk, instrument in self.instruments.items() if instrument.symbol == symbol)


@dataclass(slots=True)
class Change:
    """What happened to a customer; `requests` holds the orders that are new, by client id."""

    customer: Customer
    state: VenueState
    reports: Sequence[Report]
    requests: Mapping[str, OrderRequest] = field(default_factory=dict)


def load(accounts: Sequence[PaperAccount], instruments: Iterable[int] = ()) -> Loaded:
    """The customers of locked rows, in three queries."""
    keys = [account.pk for account in accounts]
    orders = _by_account(PaperOrder.objects.filter(account__in=keys, live=True), "filled", *_REQUEST_FIELDS)
    positions = _by_account(PaperPosition.objects.filter(account__in=keys), *_POSITION_FIELDS)
    named = {instrument for rows in (*orders.values(), *positions.values()) for _, instrument, *_ in rows}
    found = Instrument.objects.in_bulk(named.union(instruments))
    customers = [_customer(one, orders.get(one.pk, ()), positions.get(one.pk, ()), found) for one in accounts]
    return Loaded(customers, found)


def _by_account(rows: QuerySet[Any], *fields: str) -> dict[int, list[_Row]]:
    """Row id, instrument id and these fields of each row, oldest first: far cheaper than model objects."""
    found: dict[int, list[_Row]] = defaultdict(list)
    for account, *values in rows.order_by("id").values_list("account", "id", "instrument", *fields):
        found[account].append(tuple(values))
    return found


def _customer(
    account: PaperAccount,
    orders: Iterable[_Row],
    positions: Iterable[_Row],
    instruments: Mapping[int, Instrument],
) -> Customer:
    resting = {pk: _order(instruments[instrument], *values) for pk, instrument, *values in orders}
    held = {pk: VenuePosition(instruments[instrument].symbol, *values) for pk, instrument, *values in positions}
    state = VenueState(
        wallet=account.wallet,
        positions={position.symbol: position for position in held.values()},
        orders=tuple(resting.values()),
        trades=account.trades,
    )
    order_rows = {order.client_id: pk for pk, order in resting.items()}
    return Customer(account, order_rows, {position.symbol: pk for pk, position in held.items()}, state)


def _order(instrument: Instrument, filled: Decimal, client_id: str, side: str, kind: str, *rest: Any) -> VenueOrder:
    request = OrderRequest(client_id, instrument.symbol, Side(side), OrderType(kind), *rest)
    return VenueOrder.resting(request, filled, instrument.rules)


def position_of(row: PaperPosition, symbol: str) -> VenuePosition:
    return VenuePosition(symbol, row.quantity, row.cost, row.margin, row.leverage)


def report_of(row: PaperOrder, symbol: str) -> OrderReport:
    """The newest report of an order, from its row."""
    return OrderReport(
        client_id=row.client_id, venue_id=row.client_id, symbol=symbol, side=Side(row.side),
        type=OrderType(row.type), status=VenueStatus(row.status), quantity=row.quantity, filled=row.filled,
        at=row.at, price=row.price, trigger=row.trigger, reduce_only=row.reduce_only, reason=row.reason,
    )  # fmt: skip


def save(loaded: Loaded, changes: Sequence[Change]) -> None:
    """Write what changed and append the reports: at most six statements, however many accounts."""
    changes = [change for change in changes if change.reports]
    _save_accounts(changes)
    _save_positions(loaded, changes)
    _save_orders(loaded, changes)
    PaperReport.objects.bulk_create(
        PaperReport(account=change.customer.account, kind=kind_of(report), ref=ref_of(report), body=encode(report))
        for change in changes
        for report in change.reports
    )


def _save_accounts(changes: Sequence[Change]) -> None:
    touched = []
    for change in changes:
        account, state = change.customer.account, change.state
        if (account.wallet, account.trades) != (state.wallet, state.trades):
            account.wallet, account.trades = state.wallet, state.trades
            touched.append(account)
    update_rows(touched, ["wallet", "trades"])


def _save_positions(loaded: Loaded, changes: Sequence[Change]) -> None:
    kept, gone = [], []
    for change in changes:
        before, after = change.customer.state.positions, change.state.positions
        for symbol in [symbol for symbol in before if symbol not in after]:
            gone.append(change.customer.positions[symbol])
        for symbol, held in after.items():
            if held != before.get(symbol):
                values = {name: getattr(held, name) for name in _POSITION_FIELDS}
                instrument = loaded.pk_of(symbol)
                kept.append(PaperPosition(account=change.customer.account, instrument_id=instrument, **values))
    if gone:
        PaperPosition.objects.filter(pk__in=gone).delete()
    if kept:
        PaperPosition.objects.bulk_create(
            kept,
            update_conflicts=True,
            unique_fields=["account", "instrument"],
            update_fields=_POSITION_FIELDS,
        )


def _save_orders(loaded: Loaded, changes: Sequence[Change]) -> None:
    touched: dict[int, PaperOrder] = {}
    added: list[PaperOrder] = []
    for change in changes:
        new = {client_id: _placed(loaded, change, asked) for client_id, asked in change.requests.items()}
        added.extend(new.values())
        for report in change.reports:
            if isinstance(report, OrderReport):
                row = new.get(report.client_id)
                if row is None:
                    pk = change.customer.orders[report.client_id]
                    row = touched.setdefault(pk, PaperOrder(pk=pk))
                _update(row, report)
    if added:
        PaperOrder.objects.bulk_create(added)
    update_rows(touched.values(), _ORDER_FIELDS)


def _placed(loaded: Loaded, change: Change, asked: OrderRequest) -> PaperOrder:
    return PaperOrder(
        account=change.customer.account, instrument_id=loaded.pk_of(asked.symbol), client_id=asked.client_id,
        side=asked.side.value, type=asked.type.value, price=asked.price, trigger=asked.trigger,
        reduce_only=asked.reduce_only, leverage=asked.leverage,
    )  # fmt: skip


def _update(row: PaperOrder, report: OrderReport) -> None:
    row.status, row.live = report.status.value, report.status.live
    row.quantity, row.filled, row.at = report.quantity, report.filled, report.at
    row.reason = report.reason[:_REASON_LENGTH]
