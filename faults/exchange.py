"""A live account on the fake exchange: what a scenario of live trading plays on, and the means to break that exchange.

The exchange lives in the laboratory's process, and the product's processes talk HTTP to it through the real ccxt. What
is true of orders, positions and money is read from the exchange's own rows.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from bots.models import Bot
from ledger import accounts, credentials, live_accounts
from ledger.models import Account, Alert, Book, User
from markets import quotes
from markets.domain.snapshot import QuoteView
from markets.exchanges import live_clients
from markets.models import Feed, FeedKind, Instrument
from markets.tests.fake_exchange import FakeExchange, binanceusdm_private
from markets.tests.fake_exchange.account import Account as Customer

from .inspection import reliably
from .recovery import Result
from .servers import wait_until
from .stage import Stage
from .trader import DONE, WISH

EXCHANGE, SYMBOL, CAPITAL, PRICE = "binanceusdm", "BTC/USDT:USDT", Decimal(10_000), Decimal(50_000)
TIERS = [{"floor": "0", "maintenance_rate": "0.01", "maintenance_amount": "0", "max_leverage": 125}]
NAMES = ("guardian-1", "trader-1")
STAYS_SECONDS = 1.5  # how long nothing may be amiss before it counts as over


@dataclass
class Scene:
    """`customer` is the account as the exchange has it, `account` and `book` are ours."""

    stage: Stage
    fake: FakeExchange
    customer: Customer
    account: Account
    book: Book
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    wishes: int = 0

    def price(self, price: str | Decimal) -> None:
        """The market is there from now on, for the exchange and for our quotes."""
        self.fake.world.set_price(SYMBOL, str(price))
        reliably(lambda: quote(self.account.feed, Decimal(price)))

    def trade(self, kind: str = "open", quantity: str = "0.1", *, wait: bool = True, **plan: Any) -> dict[str, Any]:
        """Have the trader trade. Without `wait` it is only told to; it may be about to die."""
        self.wishes += 1
        told = self.stage.control / DONE
        told.unlink(missing_ok=True)
        defaults = {"stop": "49000", "target": "53000"} if kind == "open" else {}
        wish = {"number": f"{time.time_ns()}", "kind": kind, "quantity": quantity, "symbol": SYMBOL,
                "exchange": EXCHANGE, "book": self.book.pk, "price": str(PRICE), **defaults, **plan}  # fmt: skip
        draft = self.stage.control / "wish.draft"
        draft.write_text(json.dumps(wish))
        draft.rename(self.stage.control / WISH)
        if not wait:
            return {}
        wait_until(told.exists, f"the trader has not ended «{kind}»", 60)
        return dict(json.loads(told.read_text()))

    @property
    def held(self) -> Decimal:
        return self.customer.position(SYMBOL).quantity

    def stops(self) -> list[Any]:
        return [a for a in self.customer.live_algos(SYMBOL) if a.type == "STOP_MARKET"]

    def covered(self) -> None:
        """Wait until the position has its stop: what every scenario that breaks one begins with."""
        wait_until(lambda: bool(self.held) and bool(self.stops()), "a position with its stop", 60)

    def alerts(self) -> set[str]:
        """The kinds of alerts that were opened since the scene began."""
        return set(
            reliably(lambda: list(Alert.objects.filter(opened_at__gte=self.began).values_list("kind", flat=True)))
        )

    def settled(self, fault: float, note: str, more: list[str] | None = None, **how: Any) -> Result:
        """Wait until nothing is amiss any more; seconds since the monotonic time `fault`, and what is lost."""
        from . import live_invariants

        until, well = max(fault, time.monotonic()) + self.stage.patience, 0.0
        found: list[str] = []
        while time.monotonic() < until:
            self.stage.start_again()
            found = reliably(lambda: live_invariants.broken(self, **how))
            if found:
                well = 0.0
            elif well and time.monotonic() - well > STAYS_SECONDS:
                return Result(well - fault, tuple(more or ()), note)
            well = well or (0.0 if found else time.monotonic())
            time.sleep(0.1)
        return Result(time.monotonic() - fault, (*(more or ()), *found), note)


@contextmanager
def playing(stage: Stage, fake: FakeExchange, looks: float | None = None) -> Iterator[Scene]:
    """A fresh database with one live account on the exchange, a guardian and a trader, until the end."""
    stage.renew()
    fake.faults.clear()
    fake.world.maintenance = False
    fake.world.freeze(False)
    binanceusdm_private.close_accounts(fake.world)
    fake.world.set_price(SYMBOL, str(PRICE))
    customer = binanceusdm_private.open_account(fake.world, CAPITAL)
    settings.LIVE_TRADING, settings.EXCHANGE_URLS = True, {EXCHANGE: fake.url(EXCHANGE)}
    live_clients.forget()
    account, book = _opened(customer)
    often = f"{looks or stage.hurry:g}"
    with stage.running(*NAMES, FAULTS_LIVE=often, EXCHANGE_URL_BINANCEUSDM=fake.url(EXCHANGE)):
        scene = Scene(stage, fake, customer, account, book)
        _warm(scene)
        yield scene


def scenes(
    stage: Stage, runs: int, ahead: Sequence[float] = (0.0,), looks: float | None = None
) -> Iterator[tuple[int, Scene]]:
    """A scene of its own for each run, on an exchange whose clock is `ahead` of ours by so many seconds, in turn.

    The product looks after its accounts `looks` times as often as it does for users, else as its patience is divided.
    """
    for number in range(runs):
        with FakeExchange(EXCHANGE) as fake:
            fake.limits.limit = 10**9
            fake.world.advance(ahead[number % len(ahead)])
            with playing(stage, fake, looks) as scene:
                yield number, scene


def quote(feed: Feed, price: Decimal) -> None:
    instrument = Instrument.objects.get(exchange=EXCHANGE, symbol=SYMBOL)
    view = QuoteView(price, price, price, price, datetime.now(UTC), liquidity=Decimal(10**9))
    quotes.write(feed=feed, quotes={instrument.pk: view})


def _opened(customer: Customer) -> tuple[Account, Book]:
    """The simulated market stands still; the account is opened as a person would do it."""
    Feed.objects.update(running=False)
    Bot.objects.update(status="paused")
    feed = Feed.objects.create(name="live binanceusdm", kind=FeedKind.LIVE, exchange=EXCHANGE, running=True)
    Instrument.objects.get_or_create(
        exchange=EXCHANGE, symbol=SYMBOL,
        defaults={
            "base": "BTC", "quote": "USDT", "settle": "USDT", "tick": Decimal("0.1"), "step": Decimal("0.001"),
            "min_quantity": Decimal("0.001"), "min_notional": Decimal(100), "maker_fee": Decimal("0.0002"),
            "taker_fee": Decimal("0.0005"), "tiers": TIERS,
        },
    )  # fmt: skip
    quote(feed, PRICE)
    owner, wall = User.objects.order_by("pk").first(), datetime.now(UTC)
    assert owner is not None
    account = live_accounts.open_account(
        owner=owner, name="Live", feed=feed, currency="USDT", key=customer.key, secret=customer.secret, by=owner,
        wall=wall,
    )  # fmt: skip
    Account.objects.filter(pk=account.pk).update(armed=True, check_passed=True)
    account.refresh_from_db()
    accounts.open_books(account=account, wall=datetime.now(UTC))
    book = accounts.open_book(account=account, name="Live bot", capital=CAPITAL, at=datetime.now(UTC))
    return account, book


def _warm(scene: Scene) -> None:
    """Both processes are there: the guardian has compared the account, and the trader takes wishes."""
    wait_until(
        lambda: reliably(lambda: Account.objects.filter(pk=scene.account.pk, reconciled_at__isnull=False).exists()),
        "the guardian has compared the account", 60,
    )  # fmt: skip


def sealed(customer: Customer) -> str:
    return credentials.seal(json.dumps({"apiKey": customer.key, "secret": customer.secret}))
