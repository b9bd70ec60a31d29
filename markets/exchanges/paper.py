"""The paper venue: an exchange of our own, in our own tables, that trades by the engine of the backtests.

It answers orders from bots; `paper_market` moves it through market time. Both write the Paper tables and nothing
else: the ledger learns of everything through the reports, as from a live venue.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import OperationalError, transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from markets.domain import venue
from markets.domain.orders import (
    Answer,
    Confirmed,
    OrderReport,
    OrderRequest,
    OrderType,
    Refused,
    Unknown,
    VenuePosition,
)
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Answered
from markets.models import Feed, PaperAccount, PaperOrder, PaperPosition, PaperReport, Quote
from markets.prepared import Prepared

from . import paper_rows
from .base import Numbered
from .paper_rows import Change, Loaded
from .report_json import decode


def open_account(*, key: UUID, feed: Feed, currency: str, deposit: Decimal) -> PaperAccount:
    """A new customer with `deposit` in the wallet. Nothing is reported: who pays in, knows."""
    return PaperAccount.objects.create(key=key, feed=feed, currency=currency, wallet=deposit)


# Of a live market: longer than any stream takes to be opened anew.
STALE_SECONDS = 30.0
_QUOTE = Prepared(
    lambda feed, symbol: (
        Quote.objects.filter(feed=feed, instrument__symbol=symbol).select_related("instrument", "feed").order_by("id")
    ),
    "feed",
    "symbol",
)


class PaperVenue:
    """One account at the paper venue. Orders trade at the newest quotes of its feed, however old these are.

    Each call is one short transaction, so an answer is certain; only where the database itself fails it is
    Unknown.
    """

    def __init__(self, account_key: UUID, feed: Feed) -> None:
        self._key = account_key
        self._feed = feed

    def send(self, request: OrderRequest) -> Answer:
        """Place an order. Besides the codes of the engine: no_price, stale_price, wrong_currency,
        too_late."""
        return self._certainly(lambda: self._send(request))

    def cancel(self, client_id: str) -> Answer:
        return self._certainly(lambda: self._cancel(client_id))

    def order(self, client_id: str) -> OrderReport | None:
        found = self._orders().filter(client_id=client_id).order_by("id").last()
        return paper_rows.report_of(found, found.instrument.symbol) if found else None

    def open_orders(self) -> Sequence[OrderReport]:
        """Live orders, oldest first."""
        rows = self._orders().filter(live=True).order_by("id")
        return [paper_rows.report_of(row, row.instrument.symbol) for row in rows]

    def positions(self) -> Sequence[VenuePosition]:
        rows = PaperPosition.objects.filter(account__key=self._key).select_related("instrument").order_by("id")
        return [paper_rows.position_of(row, row.instrument.symbol) for row in rows]

    def wallet(self) -> Decimal:
        return PaperAccount.objects.values_list("wallet", flat=True).get(key=self._key)

    def reports(self, after: int) -> Sequence[Numbered]:
        rows = PaperReport.objects.filter(account__key=self._key, id__gt=after).order_by("id")
        return [Numbered(pk, decode(kind, body)) for pk, kind, body in rows.values_list("id", "kind", "body")]

    def _orders(self) -> QuerySet[PaperOrder]:
        return PaperOrder.objects.filter(account__key=self._key).select_related("instrument")

    def _certainly(self, call: Callable[[], Answer]) -> Answer:
        try:
            with transaction.atomic():
                return call()
        except OperationalError as error:
            return Unknown(f"The database of the paper venue did not answer: {error}")

    def _send(self, request: OrderRequest) -> Answer:
        account = self._locked()
        if request.valid_until is not None and timezone.now() > request.valid_until:
            return Refused(
                "too_late", f"The order came after {request.valid_until:%H:%M:%S}, too late to be meant now."
            )
        quotes = _QUOTE(feed=self._feed.pk, symbol=request.symbol)
        if not quotes:
            return Refused("no_price", f"There is no price of {request.symbol} on this feed.")
        quote, instrument = quotes[0], quotes[0].instrument
        if instrument.settle != account.currency:
            text = f"{request.symbol} settles in {instrument.settle}, and the account is in {account.currency}."
            return Refused("wrong_currency", text)
        if stale := _stale(quote, request):
            return stale
        loaded = paper_rows.load([account], [instrument.pk])
        state, at = loaded.customers[0].state, _market_time(quote.feed)
        answered = venue.submit(state, request, _view(quote), instrument.rules, at)
        return _kept(loaded, answered, {request.client_id: request})

    def _cancel(self, client_id: str) -> Answer:
        loaded = paper_rows.load([self._locked()])
        at = _market_time(Feed.objects.get(pk=self._feed.pk))
        return _kept(loaded, venue.cancel(loaded.customers[0].state, client_id, at), {})

    def _locked(self) -> PaperAccount:
        # The feed is read after the lock is held: before, its time may be the one before a step.
        return PaperAccount.objects.select_for_update().get(key=self._key, feed=self._feed)


def _kept(loaded: Loaded, answered: Answered, requests: Mapping[str, OrderRequest]) -> Answer:
    if isinstance(answered.answer, Confirmed):
        change = Change(loaded.customers[0], answered.state, answered.reports, requests)
        paper_rows.save(loaded, [change])
    return answered.answer


def _stale(quote: Quote, request: OrderRequest) -> Refused | None:
    """A live market that has gone silent fills nothing at prices of before; stops and targets may still be placed."""
    if quote.feed.lock_step or request.type in (OrderType.STOP, OrderType.TARGET):
        return None
    age = (timezone.now() - quote.at).total_seconds()
    if age <= STALE_SECONDS:
        return None
    return Refused("stale_price", f"The price of {request.symbol} is {age:.0f} s old: nothing trades at it.")


def _market_time(feed: Feed) -> datetime:
    return feed.market_now if feed.lock_step and feed.market_now else timezone.now()


def _view(quote: Quote) -> QuoteView:
    return QuoteView(quote.last, quote.bid, quote.ask, quote.mark, quote.at, quote.liquidity)


def news(feed: Feed) -> dict[UUID, int]:
    """The id of the newest report of each account that has one, by account key. One query."""
    newest = PaperReport.objects.filter(account=OuterRef("pk")).order_by("-id").values("id")[:1]
    rows = PaperAccount.objects.filter(feed=feed).values_list("key", Subquery(newest))
    return {key: report for key, report in rows if report is not None}
