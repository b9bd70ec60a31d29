"""An exchange across a network that does what a test tells it: answers late, wrongly or not at all.

It trades by the engine of the paper venue, in memory, so what it does with an order it accepts is what an exchange
would. It stands for the outside; nothing of the product is replaced but the wire.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

from markets.domain import venue
from markets.domain.orders import (
    Answer,
    Confirmed,
    Denied,
    Fill,
    Income,
    OrderReport,
    OrderRequest,
    Refused,
    Report,
    Unknown,
    VenuePosition,
)
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Bar, VenueState
from markets.exchanges.base import Numbered, Unanswered
from markets.models import Instrument

LOST = "the reply is lost: accepted, but the sender hears nothing"
DROPPED = "the request is lost: the exchange never hears of it"
REFUSED = "the exchange refuses"
HELD_BACK = "nothing is sent: the exchange's allowance is used up"


class Exchange:
    """One customer. `script` holds what happens to the next orders sent, by role of their type; empty: as it should.

    `silent`: no question is answered (an exception to raise). `hidden`: client ids that no question shows.
    `held_back`: fills are not told. `again`: everything is told again each time.
    """

    def __init__(self, instrument: Instrument, wallet: str = "10000", price: str = "50000") -> None:
        self.rules = instrument.rules
        self.state = VenueState(Decimal(wallet))
        self.log: list[Report] = []
        self.known: dict[str, OrderReport] = {}
        self.sent: list[OrderRequest] = []
        self.cancelled: list[str] = []
        self.script: list[str] = []
        self.of_type: dict[str, list[str]] = {}
        self.hidden: set[str] = set()
        self.silent: Unanswered | None = None
        self.held_back = False
        self.again = False
        self.quote = self.view(price)

    # --- What the product may ask of it ---------------------------------------------------------------------

    def send(self, request: OrderRequest) -> Answer:
        self.sent.append(request)
        told = self.of_type.get(request.type.value) or self.script
        fate = told.pop(0) if told else ""
        if fate == DROPPED or (self.silent and not fate):
            return Unknown("No answer within 10 s.")
        if fate == HELD_BACK:
            return Denied("rate_limited", "What may be asked in this minute is used up.")
        if fate == REFUSED:
            return Refused("scripted", "The exchange refuses this order.")
        answer = self._submit(request)
        if isinstance(answer, Refused) and answer.code == "duplicate_client_id":
            return Unknown("The exchange has an order with this id already.")  # as live venues take it
        return Unknown("No answer within 10 s.") if fate == LOST else answer

    def cancel(self, client_id: str) -> Answer:
        if self.silent:
            return Unknown("No answer within 10 s.")
        self.cancelled.append(client_id)
        answered = venue.cancel(self.state, client_id, datetime.now(UTC))
        self.state = answered.state
        self._tell(answered.reports)
        return answered.answer

    def cancel_foreign(self, report: OrderReport) -> Answer:
        return self.cancel(report.client_id)

    def order(self, client_id: str) -> OrderReport | None:
        self._ask()
        return None if client_id in self.hidden else self.known.get(client_id)

    def open_orders(self) -> Sequence[OrderReport]:
        self._ask()
        return [self.known[o.client_id] for o in self.state.orders if o.client_id not in self.hidden]

    def positions(self) -> Sequence[VenuePosition]:
        self._ask()
        return list(self.state.positions.values())

    def wallet(self) -> Decimal:
        self._ask()
        return self.state.wallet

    def reports(self, after: int) -> Sequence[Numbered]:
        self._ask()
        shown = [Numbered(number, report) for number, report in enumerate(self.log, 1)]
        if self.held_back:
            shown = [entry for entry in shown if not isinstance(entry.report, Fill)]
        return shown if self.again else [entry for entry in shown if entry.cursor > after]

    def now(self):
        return datetime.now(UTC)

    def history(self, since: datetime) -> Sequence[Report]:
        self._ask()
        return [r for r in self.log if isinstance(r, Fill | Income) and r.at >= since]

    # --- What a test does to it -----------------------------------------------------------------------------

    def view(self, price: str | Decimal) -> QuoteView:
        price = Decimal(price)
        return QuoteView(price, price, price, price, datetime.now(UTC), liquidity=Decimal(10**9))

    def move(self, price: str) -> None:
        self.quote = self.view(price)
        outcome = venue.open_at(self.state, self.quote, self.rules, datetime.now(UTC))
        self.state = outcome.state
        self._tell(outcome.reports)

    def trickle(self, price: str, volume: str) -> None:
        """A candle down to `price` and back in which little trades: limit orders fill in part."""
        last, low = self.quote.last, Decimal(price)
        bar = Bar(last, last, low, last, Decimal(volume))
        outcome = venue.through(self.state, bar, self.rules, datetime.now(UTC))
        self.state = outcome.state
        self._tell(outcome.reports)

    def lose(self, client_id: str) -> None:
        """The exchange drops a resting order without a word."""
        self.state = self.state.without(client_id)
        self.known.pop(client_id, None)

    def elsewhere(self, request: OrderRequest) -> Answer:
        """Somebody else trades on the account."""
        return self._submit(replace(request, client_id=f"by-hand-{uuid4().hex[:8]}"))

    def pay(self, kind: str, amount: str, *, symbol: str = "", ref: str = "", currency: str = "USDT") -> Income:
        income = Income(ref or uuid4().hex, kind, symbol, Decimal(amount), currency, datetime.now(UTC))
        if currency == "USDT":
            self.state = replace(self.state, wallet=self.state.wallet + income.amount)
        self.log.append(income)
        return income

    def _submit(self, request: OrderRequest) -> Answer:
        answered = venue.submit(self.state, request, self.quote, self.rules, datetime.now(UTC))
        if isinstance(answered.answer, Confirmed):
            self.state = answered.state
            self._tell(answered.reports)
        return answered.answer

    def _tell(self, reports: Sequence[Report]) -> None:
        for report in reports:
            if isinstance(report, OrderReport):
                self.known[report.client_id] = report
            else:
                self.log.append(self._seen(report))

    def _seen(self, report: Report) -> Report:
        foreign = isinstance(report, Fill) and report.client_id is not None and report.client_id.startswith("by-hand")
        return replace(report, client_id=None) if foreign else report

    def _ask(self) -> None:
        if self.silent:
            raise self.silent
