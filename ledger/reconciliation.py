"""Compares the ledger with the venue, item by item, and tells what differs in words. It mends nothing.

Wallet against journal, positions, live orders, and whether a stop covers every position. An account that does
not agree is halted until a person has looked.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from markets.domain.orders import OrderReport
from markets.domain.rounding import ZERO

from . import states
from .domain.money import balances
from .gateway import venue_of
from .models import Account, CashEntry, Order, Position, Trade, TradingStateKind
from .protection import uncovered


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which ledger and venue (or the ledger with itself) do not agree."""

    what: str
    ledger: str
    venue: str

    def __str__(self) -> str:
        return f"{self.what}: the ledger says {self.ledger}, the venue {self.venue}"


def check(*, account: Account, wall: datetime) -> list[Difference]:
    """Compare an account and store the outcome on it; one that does not agree is halted and says why."""
    found = differences(account)
    if not found:
        Account.objects.filter(pk=account.pk).update(reconciled_at=wall, trouble="")
        return found
    trouble = f"{found[0]}{f' (and {len(found) - 1} more)' if len(found) > 1 else ''}."[:300]
    Account.objects.filter(pk=account.pk).update(trouble=trouble)
    states.change(scope=account, state=TradingStateKind.HALTED, reason=trouble, by=None, now=wall)
    return found


def differences(account: Account) -> list[Difference]:
    """Everything that does not agree, to the last unit; an empty list is the only good answer.

    Call it when no order is under way: what the venue has reported must be booked first.
    """
    return [*_cash(account), *_positions(account), *_orders(account), *_stops(account), *_doubles(account)]


def _cash(account: Account) -> list[Difference]:
    found = []
    wallet = venue_of(account).wallet()
    journal = balances(CashEntry.objects.filter(account=account).values_list("currency", "amount"))
    if journal.get(account.currency, ZERO) != wallet:
        found.append(Difference("wallet", str(journal.get(account.currency, ZERO)), str(wallet)))
    for book in account.books.all():
        entries = balances(book.entries.values_list("currency", "amount")).get(book.currency, ZERO)
        if entries != book.cash:
            found.append(Difference(f"cash of {book.name}", f"{book.cash} in the book", f"{entries} in its journal"))
    return found


def _positions(account: Account) -> list[Difference]:
    at_venue = {p.symbol: (p.quantity, p.cost, p.margin) for p in venue_of(account).positions()}
    rows = Position.objects.open().filter(account=account).select_related("instrument")
    ours = {p.instrument.symbol: (p.quantity, p.cost, p.margin) for p in rows}
    return [
        Difference(f"position in {symbol}", _figures(ours.get(symbol)), _figures(at_venue.get(symbol)))
        for symbol in sorted(ours.keys() | at_venue.keys())
        if ours.get(symbol) != at_venue.get(symbol)
    ]


def _figures(figures: tuple[Decimal, Decimal, Decimal] | None) -> str:
    return "none" if figures is None else "quantity {}, cost {}, margin {}".format(*figures)


def _orders(account: Account) -> list[Difference]:
    at_venue = {report.client_id: report for report in venue_of(account).open_orders()}
    ours = {str(order.client_id): order for order in Order.objects.live().filter(account=account)}
    return [
        Difference(f"order {client_id}", _order(ours.get(client_id)), _report(at_venue.get(client_id)))
        for client_id in sorted(ours.keys() ^ at_venue.keys())
    ]


def _order(order: Order | None) -> str:
    return "nothing live" if order is None else f"{order.role} {order.state}"


def _report(report: OrderReport | None) -> str:
    return "nothing live" if report is None else f"{report.type} {report.status}"


def _stops(account: Account) -> list[Difference]:
    return [
        Difference(
            f"stop of {position.instrument.symbol}", f"position of {position.quantity}", "no stop that covers it"
        )
        for position in uncovered(account)
    ]


def _doubles(account: Account) -> list[Difference]:
    """More than one live order of an intent and role; a stop being replaced is the exception."""
    live = Order.objects.live().filter(account=account, replaced_by__isnull=True)
    counts = Counter(live.values_list("intent_id", "role"))
    found = [
        Difference(f"live {role} orders of intent {intent}", str(count), "at most 1")
        for (intent, role), count in counts.items()
        if count > 1
    ]
    trades = Counter(Trade.objects.filter(account=account).values_list("instrument_id", "venue_trade_id"))
    return found + [Difference(f"trade {key}", str(n), "1") for key, n in trades.items() if n > 1]
