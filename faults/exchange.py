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

from bots import watching
from bots.models import Bot, BotStatus, RiskPolicy
from ledger import accounts, credentials, live_accounts
from ledger.models import Account, Alert, Book, User
from markets import quotes
from markets.domain.snapshot import QuoteView
from markets.exchanges import live_clients
from markets.models import Candle, Feed, FeedKind, Instrument, Quote, RefusedData
from markets.tests.fake_exchange import FakeExchange, Listed, binanceusdm_private
from markets.tests.fake_exchange.account import Account as Customer

from .inspection import reliably
from .recovery import Result
from .servers import wait_until
from .stage import FAMILIES, Stage
from .trader import DECIDE, DONE, WISH
from .wished import NAME as WISHED

EXCHANGE, SYMBOL, CAPITAL, PRICE = "binanceusdm", "BTC/USDT:USDT", Decimal(10_000), Decimal(50_000)
TIERS = [{"floor": "0", "maintenance_rate": "0.01", "maintenance_amount": "0", "max_leverage": 125}]
NAMES = ("guardian-1", "trader-1")
FAMILIES["stream"] = ("manage.py", "stream", EXCHANGE)
WITH_PRICES = (*NAMES, "stream-1")  # and the product's own process brings the prices, instead of the laboratory
STAYS_SECONDS = 1.5  # how long nothing may be amiss before it counts as over


class NotDone(TimeoutError):
    """The trader could not do what the laboratory wished for."""


@dataclass
class Scene:
    """`customer` is the account as the exchange has it, `account` and `book` are ours."""

    stage: Stage
    fake: FakeExchange
    customer: Customer
    account: Account
    book: Book
    streamed: bool = False
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    bots: list[Bot] = field(default_factory=list)

    def price(self, price: str | Decimal) -> None:
        """The market is there from now on, for the exchange and for our quotes."""
        self.fake.world.set_price(SYMBOL, str(price))
        if self.streamed:
            wait_until(lambda: self.quoted().last == Decimal(price), f"a quote of {price}", 30)
        else:
            reliably(lambda: quote(self.account.feed, Decimal(price)))

    def quoted(self) -> Quote:
        """What the product believes the price to be."""
        return reliably(lambda: Quote.objects.get(feed=self.account.feed, instrument__symbol=SYMBOL))

    def refused_data(self) -> dict[str, int]:
        """How often data was not let in, by reason."""
        rows = reliably(lambda: list(RefusedData.objects.filter(exchange=EXCHANGE).values_list("reason", "count")))
        return {reason: sum(count for one, count in rows if one == reason) for reason, _ in rows}

    def decide(self, action: str, *, bots: Sequence[Bot] = (), **said: Any) -> list[dict[str, Any]]:
        """Have each bot (the first one, where none is named) run a cycle whose decider says this: how each ended.

        `said` stands in the proposal as it is; None takes a part of it away.
        """
        chosen = list(bots) or self.bots[:1]
        symbols = {symbol for bot in chosen for symbol in bot.instruments.values_list("symbol", flat=True)}
        items = [{"symbol": symbol, "action": action, **said} for symbol in sorted(symbols)]
        told = self._wish({"kind": DECIDE, "bots": [bot.pk for bot in chosen], "items": items})
        if told["error"]:
            raise NotDone(told["error"])
        return list(told["cycles"])

    def entries(self, symbol: str = "") -> int:
        """How many orders that may open something have reached the exchange, taken or not."""
        sent = self.fake.log.of("/fapi/v1/order", method="POST")
        return sum(call.fields.get("reduceOnly") != "true" for call in sent if symbol in call.fields.get("symbol", ""))

    def exits(self) -> int:
        """How many orders at the market that only reduce have reached the exchange, taken or not."""
        sent = self.fake.log.of("/fapi/v1/order", method="POST")
        return sum(call.fields.get("reduceOnly") == "true" for call in sent)

    def trade(self, kind: str = "open", quantity: str = "0.1", *, wait: bool = True, **plan: Any) -> dict[str, Any]:
        """Have the trader trade. Without `wait` it is only told to; it may be about to die."""
        defaults = {"stop": "49000", "target": "53000"} if kind == "open" else {}
        wish = {"number": f"{time.time_ns()}", "kind": kind, "quantity": quantity, "symbol": SYMBOL,
                "exchange": EXCHANGE, "book": self.book.pk, "price": str(PRICE), **defaults, **plan}  # fmt: skip
        return self._wish(wish, wait=wait)

    def _wish(self, wish: dict[str, Any], *, wait: bool = True) -> dict[str, Any]:
        told = self.stage.control / DONE
        told.unlink(missing_ok=True)
        draft = self.stage.control / "wish.draft"
        draft.write_text(json.dumps(wish))
        draft.rename(self.stage.control / WISH)
        if not wait:
            return {}
        wait_until(told.exists, f"the trader has not ended «{wish['kind']}»", 60)
        return dict(json.loads(told.read_text()))

    def hire(self, symbol: str, capital: Decimal) -> Bot:
        """Another bot on the account, with a book of its own, for one instrument that the exchange lists."""
        listed = self.fake.world.listed[symbol]
        instrument_of(symbol, listed)
        self.fake.world.set_price(symbol, listed.price)
        book = accounts.open_book(account=self.account, name=listed.base, capital=capital, at=datetime.now(UTC))
        self.bots.append(bot := bot_of(book, listed.base, symbol))
        return bot

    def spare(self, amount: Decimal) -> Decimal:
        """More money on the account, that no book has yet."""
        self.customer.move("TRANSFER", amount)
        wait_until(lambda: not self.settled(time.monotonic(), "").lost, "everything agrees", 60)
        return amount

    def quote_all(self) -> None:
        """Prices of now for every instrument that a bot trades, where no process of the product brings them."""
        for symbol in {symbol for bot in self.bots for symbol in bot.instruments.values_list("symbol", flat=True)}:
            quote(self.account.feed, self.fake.world.price(symbol), symbol)

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
def playing(
    stage: Stage,
    fake: FakeExchange,
    names: Sequence[str] = NAMES,
    looks: float | None = None,
    **surroundings: str,
) -> Iterator[Scene]:
    """A fresh database with one live account on the exchange, a guardian and a trader, until the end."""
    stage.renew()
    fake.faults.clear()
    fake.world.maintenance = False
    fake.world.freeze(False)
    binanceusdm_private.close_accounts(fake.world)
    fake.world.listed[SYMBOL].price = float(PRICE)  # its past, too: candles are read
    fake.world.set_price(SYMBOL, str(PRICE))
    customer = binanceusdm_private.open_account(fake.world, CAPITAL)
    settings.LIVE_TRADING, settings.EXCHANGE_URLS = True, {EXCHANGE: fake.url(EXCHANGE)}
    live_clients.forget()
    account, book = _opened(customer)
    surroundings |= {"FAULTS_LIVE": f"{looks or stage.hurry:g}", "EXCHANGE_URL_BINANCEUSDM": fake.url(EXCHANGE)}
    with stage.running(*names, **surroundings):
        scene = Scene(stage, fake, customer, account, book, streamed="stream-1" in names)
        scene.bots.append(bot_of(book, "Live bot"))
        _warm(scene)
        yield scene


def scenes(
    stage: Stage,
    runs: int,
    *,
    ahead: Sequence[float] = (0.0,),
    looks: float | None = None,
    names: Sequence[str] = NAMES,
    listing: Sequence[Listed] = (),
    **surroundings: str,
) -> Iterator[tuple[int, Scene]]:
    """A scene of its own for each run, on an exchange whose clock is `ahead` of ours by so many seconds, in turn.

    It lists what it always does, and `listing`. The product looks after its accounts `looks` times as often as it does
    for users, else as its patience is divided.
    """
    for number in range(runs):
        with FakeExchange(EXCHANGE) as fake:
            fake.limits.limit = 10**9
            fake.world.listed |= {one.symbol: one for one in listing}
            fake.world.advance(ahead[number % len(ahead)])
            with playing(stage, fake, names, looks, **surroundings) as scene:
                yield number, scene


def bot_of(book: Book, name: str, *symbols: str) -> Bot:
    """A bot that decides what the laboratory wishes for, under limits that leave room for it."""
    assert book.account is not None
    limits = {
        "cooldown_minutes": 0, "max_trades_per_day": 0, "max_data_age_seconds": 10, "max_volatility": Decimal(9),
        "risk_per_trade": Decimal("0.05"), "max_position_notional": Decimal(2), "max_exposure": Decimal(9),
        "max_side_exposure": Decimal(9), "max_margin_use": Decimal("0.9"),
    }  # fmt: skip
    policy, _ = RiskPolicy.objects.get_or_create(owner=book.account.owner, name="Wished", defaults=limits)
    bot = Bot.objects.create(
        owner=book.account.owner, name=name, book=book, policy=policy, decider=WISHED, timeframes=["1m"],
        status=BotStatus.RUNNING, monogram=name[-2:],
    )  # fmt: skip
    bot.instruments.set(Instrument.objects.filter(exchange=EXCHANGE, symbol__in=symbols or [SYMBOL]))
    watching.renew(feed=book.account.feed, now=datetime.now(UTC))
    return bot


def quote(feed: Feed, price: Decimal, symbol: str = SYMBOL) -> None:
    instrument = Instrument.objects.get(exchange=EXCHANGE, symbol=symbol)
    view = QuoteView(price, price, price, price, datetime.now(UTC), liquidity=Decimal(10**9))
    quotes.write(feed=feed, quotes={instrument.pk: view})


def instrument_of(symbol: str, listed: Listed | None = None) -> Instrument:
    """The row of an instrument, with the exchange's rules of it."""
    base = symbol.partition("/")[0]
    one = listed or Listed(base, float(PRICE), "0.1", "0.001", min_notional="100")
    rules = {"tick": one.tick, "step": one.step, "min_quantity": one.step, "min_notional": one.min_notional,
             "maker_fee": "0.0002", "taker_fee": "0.0005"}  # fmt: skip
    made, _ = Instrument.objects.get_or_create(
        exchange=EXCHANGE, symbol=symbol,
        defaults={"base": base, "quote": "USDT", "settle": "USDT", "tiers": TIERS}
        | {name: Decimal(value) for name, value in rules.items()},
    )  # fmt: skip
    return made


def _opened(customer: Customer) -> tuple[Account, Book]:
    """The simulated market stands still; the account is opened as a person would do it."""
    Feed.objects.update(running=False)
    Bot.objects.update(status="paused")
    feed = Feed.objects.create(name="live binanceusdm", kind=FeedKind.LIVE, exchange=EXCHANGE, running=True)
    instrument_of(SYMBOL)
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
    if scene.streamed:
        began = datetime.now(UTC)
        wait_until(lambda: scene.quoted().at > began, "prices come", 60)
        kept = Candle.objects.filter(instrument__exchange=EXCHANGE, timeframe="1m")
        wait_until(lambda: reliably(kept.exists), "candles come", 60)


def sealed(customer: Customer) -> str:
    return credentials.seal(json.dumps({"apiKey": customer.key, "secret": customer.secret}))
