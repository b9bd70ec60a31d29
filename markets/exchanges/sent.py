"""What we have sent to a venue, as far as it must know it: exchanges want the symbol and the kind beside an order's id.

The ledger holds this; a live venue is given it, so that nothing of it is kept twice.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from markets.domain.orders import OrderType, Side


@dataclass(frozen=True, slots=True)
class SentOrder:
    """One order of ours. `at` is the wall time of sending, `filled` what is known to be filled by its executions."""

    client_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    at: datetime
    filled: Decimal = Decimal(0)

    @property
    def conditional(self) -> bool:
        """Whether it waits for a trigger; some exchanges keep such orders in a book of their own."""
        return self.type in (OrderType.STOP, OrderType.TARGET)


class SentOrders(Protocol):
    """The orders of one account."""

    def find(self, client_id: str) -> SentOrder | None:
        """The order with this client id, or None where it is not ours."""

    def live(self) -> Sequence[SentOrder]:
        """All that may still fill, whose fate is open, or of whose fills some are not known yet."""

    def symbols(self) -> Collection[str]:
        """Where positions are held."""

    def since(self) -> datetime:
        """When the account was taken over, by the venue's clock. What happened before is in its opening balance."""
