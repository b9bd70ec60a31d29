"""Which venue serves an account, and whether it may take on exposure there with real money.

The one place that turns an account into something that takes orders.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from markets import connections
from markets.domain.orders import Answer, Denied, OrderReport, OrderRequest, Report, VenuePosition
from markets.exchanges import live_clients
from markets.exchanges.base import Numbered, Remote, Venue
from markets.exchanges.budget import ACCOUNT_SHARE, SharedGate
from markets.exchanges.live import LiveVenue
from markets.exchanges.live_stream import Hints
from markets.exchanges.paper import PaperVenue
from markets.models.feeds import FeedKind

from . import credentials
from .models import Account, AccountKind, Role
from .sent_orders import SentOrders

LIVE_EXCHANGES = ("binanceusdm",)

LIVE_IS_OFF = "Live trading is off here: LIVE_TRADING is not set, so nothing is sent to an exchange."


class NoVenue(Exception):
    """The account cannot trade here; the message says why in one sentence."""


def venue_of(account: Account) -> Venue:
    """The venue of an account. Raises NoVenue for accounts that have none here."""
    if account.kind == AccountKind.PAPER:
        return PaperVenue(account.key, account.feed)
    venue = live_venue(account)
    return Muted(venue) if muted(account) else venue


def live_venue(account: Account) -> Remote:
    """The exchange of a live account. Raises NoVenue, and Unanswered where its instruments cannot be read."""
    exchange = account.feed.exchange
    if account.feed.kind != FeedKind.LIVE:
        raise NoVenue(f"The account {account.name} is live, and its feed is not: real money needs real prices.")
    if exchange not in LIVE_EXCHANGES:
        known = ", ".join(LIVE_EXCHANGES)
        raise NoVenue(f"Live accounts at {exchange} cannot trade in this version; these can: {known}.")
    if not account.sealed_credentials:
        raise NoVenue(f"The account {account.name} has no key for {exchange} yet.")
    sent, client = SentOrders(account), client_of(account)
    return LiveVenue(client, account.currency, sent=sent, rules=sent.rules)


def client_of(account: Account) -> Any:
    """The exchange's client with the account's key. Raises NoVenue and Unanswered."""
    opened, demo = _opened(account)
    connections.release()
    return live_clients.of(
        account.feed.exchange, credentials=opened, demo=demo, gate=AccountGate(account.feed.exchange)
    )


def stream_of(account: Account, hint: Callable[[], None]) -> Hints:
    """The account's private stream, not listened to yet; it calls `hint` at each piece of news. Raises NoVenue."""
    if account.feed.exchange not in LIVE_EXCHANGES or not account.sealed_credentials:
        raise NoVenue(f"The account {account.name} has no private stream.")
    opened, demo = _opened(account)
    return Hints(account.feed.exchange, credentials=opened, demo=demo, hint=hint)


def _opened(account: Account) -> tuple[dict[str, str], bool]:
    """The account's key, opened here and nowhere else, and whether it is one for the demo exchange."""
    try:
        opened = json.loads(credentials.unseal(account.sealed_credentials))
    except (credentials.Unreadable, ValueError) as trouble:
        raise NoVenue(f"The key of the account {account.name} cannot be opened: {trouble}") from None
    return opened, bool(opened.pop("demo", False))


class AccountGate(SharedGate):
    """The exchange's budget as accounts use it: questions come before data, and orders before questions.

    Its client is one thread's, and makes it urgent while it sends, cancels or looks up an order.
    """

    def __init__(self, exchange: str) -> None:
        super().__init__(exchange, share=ACCOUNT_SHARE)


def muted(account: Account) -> bool:
    """Whether nothing can be sent for an account: a live one where live trading is off."""
    return account.kind != AccountKind.PAPER and not settings.LIVE_TRADING


def barred(account: Account, role: str) -> Denied | None:
    """Why an order of a live account is not sent: new exposure takes an account that a person has armed.

    Orders that only reduce pass: whoever disarms an account must not take the stops from what it holds.
    """
    if account.kind == AccountKind.PAPER or role != Role.ENTRY:
        return None
    if Account.objects.filter(pk=account.pk, armed=True).exists():
        return None
    return Denied("not_armed", f"The account {account.name} is not armed: it takes no new exposure.")


class Muted:
    """A venue that is only read: whatever would change something there is denied, and nothing leaves."""

    def __init__(self, venue: Remote) -> None:
        self._venue = venue

    def send(self, request: OrderRequest) -> Answer:
        return Denied("live_off", LIVE_IS_OFF)

    def cancel(self, client_id: str) -> Answer:
        return Denied("live_off", LIVE_IS_OFF)

    def cancel_foreign(self, report: OrderReport) -> Answer:
        return Denied("live_off", LIVE_IS_OFF)

    def order(self, client_id: str) -> OrderReport | None:
        return self._venue.order(client_id)

    def open_orders(self) -> Sequence[OrderReport]:
        return self._venue.open_orders()

    def positions(self) -> Sequence[VenuePosition]:
        return self._venue.positions()

    def wallet(self) -> Decimal:
        return self._venue.wallet()

    def reports(self, after: int) -> Sequence[Numbered]:
        return self._venue.reports(after)

    def history(self, since: datetime) -> Sequence[Report]:
        return self._venue.history(since)

    def now(self) -> datetime:
        return self._venue.now()
