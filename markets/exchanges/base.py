"""What every venue can do, paper or live. A venue takes orders and reports; it never decides.

Calls may block on a network, so nobody makes one inside a transaction of the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from markets.domain.orders import Answer, OrderReport, OrderRequest, Report, VenuePosition


@dataclass(frozen=True, slots=True)
class Numbered:
    """A report with its place in the venue's stream; the ledger stores the last place it has booked."""

    cursor: int
    report: Report


class Unanswered(Exception):
    """A question that only reads got no answer, or an unreadable one. It tells nothing about what is there."""


class KeyRefused(Unanswered):
    """The venue does not take the key: revoked, expired, or not from this address. Asking again will not help."""


class Venue(Protocol):
    """One account at one venue."""

    def send(self, request: OrderRequest) -> Answer:
        """Place an order. Never called twice for the same client id."""

    def cancel(self, client_id: str) -> Answer:
        """Cancel a live order; refused with code `not_live` where it is closed or was never there."""

    def order(self, client_id: str) -> OrderReport | None:
        """The newest order with this client id, or None where the venue does not know it."""

    def open_orders(self) -> Sequence[OrderReport]: ...

    def positions(self) -> Sequence[VenuePosition]: ...

    def wallet(self) -> Decimal:
        """The wallet balance in the account's currency, without unrealised results."""

    def reports(self, after: int) -> Sequence[Numbered]:
        """All reports after this cursor, oldest first."""


class Remote(Venue, Protocol):
    """A venue across a network. Its reading calls raise Unanswered; `send` and `cancel` answer Unknown instead."""

    def cancel_foreign(self, report: OrderReport) -> Answer:
        """Cancel a live order that was not sent from here, as `open_orders` shows it."""

    def now(self) -> datetime:
        """The venue's own time: what its reports are stamped with."""

    def history(self, since: datetime) -> Sequence[Report]:
        """Fills and income at or after `since`, from the venue's own lists: the reports again, whatever the cursor."""
