"""What ledger and venue say of one account, side by side, to the last unit. It reads both and changes nothing.

Wallet against journal, positions, live orders, and the ledger against itself: stops, doubles, cash of books.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from markets.domain.orders import OrderReport, VenuePosition
from markets.domain.rounding import ZERO
from markets.exchanges.base import Venue

from .arrivals import ours
from .domain.money import balances
from .models import Account, CashEntry, Order, OrderState, Position, Trade
from .protection import uncovered

# Orders whose place at the venue is not known: on their way, or looked up with a deadline of their own.
IN_DOUBT = (OrderState.PLANNED, OrderState.SENDING, OrderState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which ledger and venue (or the ledger with itself) do not agree. `foreign`: it is not ours."""

    what: str
    ledger: str
    venue: str
    foreign: bool = False

    def __str__(self) -> str:
        return f"{self.what}: the ledger says {self.ledger}, the venue {self.venue}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A venue's account at one moment, as near as its answers come: positions by symbol, orders by client id."""

    wallet: Decimal
    positions: Mapping[str, VenuePosition]
    orders: Mapping[str, OrderReport]


def picture(venue: Venue) -> Picture:
    """Raises Unanswered: then nothing is known, and least of all that nothing is there."""
    return Picture(
        wallet=venue.wallet(),
        positions={position.symbol: position for position in venue.positions()},
        orders={report.client_id or report.venue_id: report for report in venue.open_orders()},
    )


def between(account: Account, shown: Picture) -> list[Difference]:
    """Everything that does not agree; an empty list is the only good answer.

    Call it when what the venue has reported is booked. Stops that only lag are the guardian's matter at a venue
    that answers late.
    """
    found = [*_cash(account, shown), *_positions(account, shown), *_orders(account, shown)]
    return [*found, *(_stops(account) if account.certain else ()), *_doubles(account)]


def _cash(account: Account, shown: Picture) -> list[Difference]:
    found = []
    journal = balances(CashEntry.objects.filter(account=account).values_list("currency", "amount"))
    if journal.get(account.currency, ZERO) != shown.wallet:
        found.append(Difference("wallet", str(journal.get(account.currency, ZERO)), str(shown.wallet)))
    for book in account.books.all():
        entries = balances(book.entries.values_list("currency", "amount")).get(book.currency, ZERO)
        if entries != book.cash:
            found.append(Difference(f"cash of {book.name}", f"{book.cash} in the book", f"{entries} in its journal"))
    return found


def _positions(account: Account, shown: Picture) -> list[Difference]:
    """By quantity, cost and margin at our own venue; elsewhere by quantity, for the other two follow the venue."""
    rows = Position.objects.open().filter(account=account).select_related("instrument")
    said = _whole if account.certain else _size
    ours = {p.instrument.symbol: said(p) for p in rows}
    theirs = {symbol: said(position) for symbol, position in shown.positions.items()}
    return [
        Difference(f"position in {symbol}", ours.get(symbol, "none"), theirs.get(symbol, "none"))
        for symbol in sorted(ours.keys() | theirs.keys())
        if ours.get(symbol) != theirs.get(symbol)
    ]


def _whole(position: Position | VenuePosition) -> str:
    figures = (position.quantity, position.cost, position.margin)
    return "quantity {}, cost {}, margin {}".format(*(f"{figure.normalize():f}" for figure in figures))


def _size(position: Position | VenuePosition) -> str:
    return f"quantity {position.quantity.normalize():f}"


def _orders(account: Account, shown: Picture) -> list[Difference]:
    live = {str(order.client_id): order for order in Order.objects.live().filter(account=account)}
    still = account.certain and account.feed.lock_step  # nobody is at work meanwhile
    expected = live if still else {key: order for key, order in live.items() if order.state not in IN_DOUBT}
    missing = expected.keys() - shown.orders.keys()
    extra = shown.orders.keys() - live.keys()
    known = _ours(account, extra)
    return [
        Difference(
            f"order {client_id}",
            _order(live.get(client_id)),
            _report(shown.orders.get(client_id)),
            foreign=client_id in extra and client_id not in known and not account.certain,
        )
        for client_id in sorted(missing | extra)
    ]


def _ours(account: Account, client_ids: set[str]) -> set[str]:
    ids = [client_id for client_id in client_ids if ours(client_id)]
    rows = Order.objects.filter(account=account, client_id__in=ids) if ids else Order.objects.none()
    return {str(client_id) for client_id in rows.values_list("client_id", flat=True)}


def _order(order: Order | None) -> str:
    return "nothing live" if order is None else f"{order.role} {order.state}"


def _report(report: OrderReport | None) -> str:
    if report is None:
        return "nothing live"
    level = report.price or report.trigger
    at = f" at {level.normalize():f}" if level is not None else ""
    how = ", reduce-only" if report.reduce_only else ""
    return f"{report.type} {report.side} {report.quantity.normalize():f} {report.symbol}{at}{how}, {report.status}"


def _stops(account: Account) -> list[Difference]:
    return [
        Difference(
            f"stop of {position.instrument.symbol}", f"position of {position.quantity}", "no stop that covers it"
        )
        for position in uncovered(account)
    ]


def _doubles(account: Account) -> list[Difference]:
    """More than one live order of an intent and role; a stop being replaced is the exception, and so are pieces that
    together are not more than the position: its venue does not take it in one order.
    """
    live = Order.objects.live().filter(account=account, replaced_by__isnull=True).select_related("position")
    groups: dict[tuple[int, str], list[Order]] = {}
    for order in live.order_by("intent", "id"):
        groups.setdefault((order.intent_id, order.role), []).append(order)
    found = [
        Difference(f"live {role} orders of intent {intent}", str(len(orders)), "at most 1")
        for (intent, role), orders in groups.items()
        if len(orders) > 1 and not _pieces(orders)
    ]
    trades = Counter(Trade.objects.filter(account=account).values_list("instrument_id", "venue_trade_id"))
    return found + [Difference(f"trade {key}", str(n), "1") for key, n in trades.items() if n > 1]


def _pieces(orders: Sequence[Order]) -> bool:
    """Whether these orders of one intent and role leave a position in pieces."""
    position = orders[0].position
    if position is None or not orders[0].reduce_only:
        return False
    return sum((order.remaining for order in orders), ZERO) <= abs(position.quantity)
