"""What a live venue must know of the orders we have sent, read from our rows when it asks. Writes nothing.

The venue waits for a network between its questions, so the connection is given back after each.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import F, Q

from markets import connections
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import OrderType, Side
from markets.exchanges.sent import SentOrder
from markets.models import Instrument

from .arrivals import ours
from .models import Account, CashEntry, Order, OrderState, Position


class SentOrders:
    """The orders of one account, as `markets.exchanges.sent.SentOrders` asks for them."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def find(self, client_id: str) -> SentOrder | None:
        named = ours(client_id)
        if named is None:
            return None
        found = Order.objects.filter(account=self._account, client_id=named).select_related("instrument").first()
        connections.release()
        return _sent(found) if found else None

    def live(self) -> Sequence[SentOrder]:
        """Those that may still fill or whose fate is open, and those of whose fills some have not come."""
        orders = Order.objects.filter(account=self._account).exclude(state=OrderState.PLANNED)
        missing = Q(closed_at__isnull=True) | Q(told_filled__gt=F("filled"))
        found = [_sent(order) for order in orders.filter(missing).select_related("instrument").order_by("id")]
        connections.release()
        return found

    def symbols(self) -> Collection[str]:
        held = Position.objects.current().filter(account=self._account)
        found = set(held.values_list("instrument__symbol", flat=True))
        connections.release()
        return found

    def since(self) -> datetime:
        """When its books were opened; what happened before is in the opening balance."""
        opened = CashEntry.objects.filter(account=self._account).order_by("at").values_list("at", flat=True).first()
        connections.release()
        return self._account.books_from or opened or self._account.created_at

    def rules(self, symbol: str) -> InstrumentRules | None:
        """The rules of an instrument of the account's exchange."""
        instrument = Instrument.objects.filter(exchange=self._account.feed.exchange, symbol=symbol).first()
        connections.release()
        return instrument.rules if instrument else None


def _sent(order: Order) -> SentOrder:
    return SentOrder(
        client_id=str(order.client_id), symbol=order.instrument.symbol, side=Side(order.side),
        type=OrderType(order.type), quantity=order.quantity, at=order.sent_at or order.created_at,
        venue_id=order.venue_id,
    )  # fmt: skip
