"""The cast of the venue's tests: one perpetual with round numbers, its quotes, bars and orders, and a small desk."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from markets.domain import venue
from markets.domain.instruments import InstrumentRules, MarginTier
from markets.domain.orders import Confirmed, Fill, Income, OrderReport, OrderRequest, OrderType, Refused, Side
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Bar, VenueState

AT = datetime(2025, 5, 1, 12, 0, tzinfo=UTC)
SYMBOL = "BTC/USDT:USDT"
TIERS = (
    MarginTier(Decimal(0), Decimal("0.004"), Decimal(0), 100),
    MarginTier(Decimal(50_000), Decimal("0.005"), Decimal(50), 50),
    MarginTier(Decimal(250_000), Decimal("0.01"), Decimal(1300), 20),
)
RULES = InstrumentRules(
    symbol=SYMBOL,
    base="BTC",
    quote="USDT",
    settle="USDT",
    kind="perpetual",
    tick=Decimal("0.1"),
    step=Decimal("0.001"),
    min_quantity=Decimal("0.002"),
    min_notional=Decimal(5),
    maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"),
    tiers=TIERS,
    max_quantity=Decimal(1000),
)
# No impact and no spread: the price of a market order is the price that is written in the test.
PLAIN = replace(RULES, impact=Decimal(0), half_spread=Decimal(0))
OTHER = replace(PLAIN, symbol="ETH/USDT:USDT", base="ETH")


def d(value: object) -> Decimal:
    return Decimal(str(value))


def quote(price, bid=None, ask=None, liquidity=10**9) -> QuoteView:
    price = d(price)
    return QuoteView(price, d(bid or price), d(ask or price), price, AT, d(liquidity))


def bar(open_, high, low, close, volume=1000) -> Bar:
    return Bar(d(open_), d(high), d(low), d(close), d(volume))


def order(client_id, side, quantity, type_="market", level=None, **fields) -> OrderRequest:
    """`level` is the price of a limit and the trigger of a stop or target."""
    kind = OrderType(type_)
    name = "price" if kind is OrderType.LIMIT else "trigger"
    levels = {} if level is None else {name: d(level)}
    symbol = fields.pop("symbol", SYMBOL)
    return OrderRequest(client_id, symbol, Side(side), kind, d(quantity), **levels, **fields)


@dataclass
class Desk:
    """One account with everything it has heard: the tests read like a day of trading."""

    state: VenueState
    rules: InstrumentRules = PLAIN
    heard: list = field(default_factory=list)

    def send(self, request, at_quote):
        """The answer to an order."""
        answered = venue.submit(self.state, request, at_quote, self.rules, AT)
        self._hear(answered)
        return answered.answer

    def placed(self, request, at_quote):
        answer = self.send(request, at_quote)
        assert isinstance(answer, Confirmed), answer
        return answer.report

    def refused(self, request, at_quote) -> str:
        """The code of a refusal, after a look that nothing has changed."""
        before, heard = self.state, len(self.heard)
        answer = self.send(request, at_quote)
        assert isinstance(answer, Refused), answer
        assert answer.message.endswith(".")
        assert self.state == before
        assert len(self.heard) == heard
        return answer.code

    def cancel(self, client_id):
        answered = venue.cancel(self.state, client_id, AT)
        self._hear(answered)
        return answered.answer

    def opens(self, price, **fields):
        return self._hear(venue.open_at(self.state, quote(price, **fields), self.rules, AT))

    def passes(self, *prices, **fields):
        return self._hear(venue.through(self.state, bar(*prices, **fields), self.rules, AT))

    def funds(self, rate, mark, at=AT):
        return self._hear(venue.fund(self.state, d(rate), d(mark), self.rules, at))

    def _hear(self, outcome):
        self.state = outcome.state
        self.heard.extend(outcome.reports)
        return list(outcome.reports)

    @property
    def position(self):
        return self.state.positions.get(self.rules.symbol)

    @property
    def fills(self) -> list[Fill]:
        return [report for report in self.heard if isinstance(report, Fill)]

    @property
    def income(self) -> list[Income]:
        return [report for report in self.heard if isinstance(report, Income)]

    def told(self, client_id) -> list[tuple[str, str]]:
        """Every status of an order with its reason, oldest first."""
        return [
            (report.status.value, report.reason)
            for report in self.heard
            if isinstance(report, OrderReport) and report.client_id == client_id
        ]


def desk(wallet=10_000, rules=PLAIN) -> Desk:
    return Desk(VenueState(d(wallet)), rules)


def long_desk(quantity="1", price=100, leverage=10, wallet=10_000, rules=PLAIN) -> Desk:
    """A desk that has bought at `price`."""
    made = desk(wallet, rules)
    made.placed(order("entry", "buy", quantity, leverage=leverage), quote(price))
    return made


def short_desk(quantity="1", price=100, leverage=10, wallet=10_000, rules=PLAIN) -> Desk:
    made = desk(wallet, rules)
    made.placed(order("entry", "sell", quantity, leverage=leverage), quote(price))
    return made
