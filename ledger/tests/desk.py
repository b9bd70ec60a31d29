"""A trading desk for tests: a paper account with one book on a feed whose price the test moves by hand."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from ledger import accounts, guardian, ordering, protection, reports, valuation
from ledger.domain.intents import IntentDraft, Kind
from ledger.models import Account, Book, Order, Position, Source
from ledger.ordering import Cause
from ledger.tests import builders
from markets import quotes
from markets.domain.snapshot import QuoteView
from markets.exchanges import paper_market
from markets.models import Feed, Instrument


@dataclass
class Desk:
    """`now` is market time; every price move takes a minute."""

    account: Account
    book: Book
    instrument: Instrument
    now: datetime = builders.NOW
    asked: int = field(default=0)

    @classmethod
    def open(cls, capital="10000", price="50000") -> "Desk":
        feed, instrument = builders.feed(), builders.instrument()
        account = accounts.open_paper_account(
            owner=builders.user(), name="desk", feed=feed, deposit=Decimal(capital), at=builders.NOW
        )
        book = accounts.open_book(account=account, name="desk", capital=Decimal(capital), at=builders.NOW)
        desk = cls(account, book, instrument)
        desk.quote(price)
        return desk

    def quote(self, price: str | Decimal) -> QuoteView:
        price = Decimal(price)
        view = QuoteView(price, price, price, price, self.now, liquidity=Decimal(10**9))
        quotes.write(feed=self.account.feed, quotes={self.instrument.pk: view})
        return view

    def move(self, price: str | Decimal, *, sweep: bool = True) -> None:
        """The market opens at `price` a minute later; the venue acts, we book, the guardian looks."""
        self.now += timedelta(minutes=1)
        Feed.objects.filter(pk=self.account.feed_id).update(market_now=self.now)
        self.account.feed.market_now = self.now
        paper_market.drive(self.account.feed, paper_market.opens({self.instrument.pk: self.quote(price)}, self.now))
        self.collect()
        if sweep:
            guardian.sweep(feed=self.account.feed, now=self.now)

    def fund(self, rate: str, mark: str) -> None:
        paper_market.drive(
            self.account.feed, paper_market.funding({self.instrument.pk: (Decimal(rate), Decimal(mark))}, self.now)
        )
        self.collect()

    def collect(self) -> None:
        reports.collect_feed(feed=self.account.feed, now=self.now)
        self.account.refresh_from_db()
        self.book.refresh_from_db()
        self.book.account = self.account

    def draft(self, kind: Kind = Kind.OPEN, quantity="0.1", *, long=True, **plan) -> IntentDraft:
        plan = {"stop": Decimal(49000), "target": Decimal(53000)} | plan if kind == Kind.OPEN else plan
        return IntentDraft(
            kind=kind, symbol=self.instrument.symbol, long=long, quantity=Decimal(quantity),
            price=Decimal(50000), leverage=5, reserved=Decimal(1100), **plan,
        )  # fmt: skip

    def commit(self, draft: IntentDraft, *, fence: int | None = None, reference: str = "") -> list[Order]:
        """Commit a draft as a decision would, without sending."""
        self.asked += 1
        fence = self.book.fence if fence is None else fence
        cause = Cause(Source.DECISION, reference or f"test:{self.asked}", self.now, fence)
        self.account.refresh_from_db()
        self.book.account = self.account
        seen = valuation.account_portfolio(account=self.account)
        with ordering.locked(book=self.book, seen=seen, cause=cause) as portfolio:
            instruments = {self.instrument.symbol: self.instrument}
            return ordering.commit(
                book=self.book, portfolio=portfolio, drafts=[draft], instruments=instruments, cause=cause
            )[1]

    def trade(self, draft: IntentDraft) -> Order:
        """Commit, send, book and protect."""
        orders = self.commit(draft)
        answers = ordering.send(account=self.account, orders=orders)
        reports.collect(account=self.account, now=self.now, answers=answers)
        protection.cover(account=self.account, now=self.now)
        self.collect()
        orders[0].refresh_from_db()
        return orders[0]

    def position(self) -> Position | None:
        return Position.objects.current().filter(account=self.account).first()
