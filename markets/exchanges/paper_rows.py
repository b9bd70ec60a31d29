"""The paper venue's rows as states of the engine, and back: only what changed, in a fixed number of statements.

The caller holds the transaction and has locked the accounts. Nothing is decided here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from markets.domain.orders import OrderReport, OrderRequest, OrderType, Report, Side, VenuePosition, VenueStatus
from markets.domain.venue_state import VenueOrder, VenueState
from markets.models import Instrument, PaperAccount, PaperOrder, PaperPosition, PaperReport

from .report_json import encode, kind_of, ref_of

_REASON_LENGTH = 200
_POSITION_FIELDS = ("quantity", "cost", "margin", "leverage")
_ORDER_FIELDS = ("status", "quantity", "filled", "reason", "live", "at")


@dataclass(slots=True)
class Customer:
    """One locked account: live orders by client id, positions by symbol, and its state as it was loaded."""

    account: PaperAccount
    orders: Mapping[str, PaperOrder]
    positions: Mapping[str, PaperPosition]
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
    orders: dict[int, list[PaperOrder]] = {account.pk: [] for account in accounts}
    positions: dict[int, list[PaperPosition]] = {account.pk: [] for account in accounts}
    wanted = set(instruments)
    for order in PaperOrder.objects.filter(account__in=accounts, live=True).order_by("id"):
        orders[order.account_id].append(order)
        wanted.add(order.instrument_id)
    for position in PaperPosition.objects.filter(account__in=accounts).order_by("id"):
        positions[position.account_id].append(position)
        wanted.add(position.instrument_id)
    found = Instrument.objects.in_bulk(wanted)
    customers = [_customer(account, orders[account.pk], positions[account.pk], found) for account in accounts]
    return Loaded(customers, found)


def _customer(
    account: PaperAccount,
    orders: Sequence[PaperOrder],
    positions: Sequence[PaperPosition],
    instruments: Mapping[int, Instrument],
) -> Customer:
    held = {instruments[row.instrument_id].symbol: row for row in positions}
    state = VenueState(
        wallet=account.wallet,
        positions={symbol: position_of(row, symbol) for symbol, row in held.items()},
        orders=tuple(_order(row, instruments[row.instrument_id]) for row in orders),
        trades=account.trades,
    )
    return Customer(account, {row.client_id: row for row in orders}, held, state)


def position_of(row: PaperPosition, symbol: str) -> VenuePosition:
    return VenuePosition(symbol, row.quantity, row.cost, row.margin, row.leverage)


def _order(row: PaperOrder, instrument: Instrument) -> VenueOrder:
    request = OrderRequest(
        client_id=row.client_id, symbol=instrument.symbol, side=Side(row.side), type=OrderType(row.type),
        quantity=row.quantity, price=row.price, trigger=row.trigger, reduce_only=row.reduce_only,
        leverage=row.leverage,
    )  # fmt: skip
    return VenueOrder.resting(request, row.filled, instrument.rules)


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
    if touched:
        PaperAccount.objects.bulk_update(touched, ["wallet", "trades"])


def _save_positions(loaded: Loaded, changes: Sequence[Change]) -> None:
    kept, gone = [], []
    for change in changes:
        before, after = change.customer.state.positions, change.state.positions
        for symbol in [symbol for symbol in before if symbol not in after]:
            gone.append(change.customer.positions[symbol].pk)
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
                row = new.get(report.client_id) or change.customer.orders[report.client_id]
                _update(row, report)
                if row.pk is not None:
                    touched[row.pk] = row
    if added:
        PaperOrder.objects.bulk_create(added)
    if touched:
        PaperOrder.objects.bulk_update(touched.values(), _ORDER_FIELDS)


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
