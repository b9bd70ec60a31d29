"""A live account for tests, the whole way: the ledger, the live venue, the real ccxt, HTTP, and the fake exchange."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from ledger import accounts, arrivals, credentials, live_orders, live_rounds
from ledger.models import Account, AccountKind
from ledger.tests import builders
from ledger.tests.live_desk import LiveDesk
from markets.exchanges import live, live_clients, live_reports, market_data
from markets.models import ExchangeState, FeedKind
from markets.tests.fake_exchange import FakeExchange, binanceusdm_private
from markets.tests.fake_exchange.account import Account as Customer

BTC = "BTC/USDT:USDT"


@dataclass
class FakeDesk(LiveDesk):
    """`customer` is the account as the exchange has it; invariants are read from there."""

    fake: FakeExchange = None  # type: ignore[assignment]
    customer: Customer = None  # type: ignore[assignment]

    @classmethod
    def connect(cls, fake, settings, monkeypatch, capital="10000", price="50000", **fields) -> "FakeDesk":  # type: ignore[override]
        settings.EXCHANGE_URLS = {name: fake.url(name) for name in fake.worlds}
        settings.LIVE_TRADING = True
        monkeypatch.setattr(arrivals, "_asked", {})
        monkeypatch.setattr(live_orders, "_looked", {})
        monkeypatch.setattr(live_rounds, "LANES", 0)
        monkeypatch.setattr(live_reports, "LOOK_EVERY", 0.0)
        monkeypatch.setattr(live, "WHOLE_EVERY", 0.0)
        live_clients.forget()
        market_data.forget()
        fake.faults.clear()
        fake.log.clear()
        fake.limits.used = fake.limits.refused = fake.limits.banned_until = 0
        binanceusdm_private.close_accounts(fake.world)
        fake.world.set_price(BTC, price)
        customer = binanceusdm_private.open_account(fake.world, capital)
        feed = builders.feed("live", kind=FeedKind.LIVE, exchange="binanceusdm", running=True)
        feed.running = True
        feed.save()
        instrument = builders.instrument(exchange="binanceusdm", symbol=BTC)
        key = json.dumps({"apiKey": customer.key, "secret": customer.secret})
        account = Account.objects.create(
            owner=builders.user(), name="live", kind=AccountKind.LIVE, feed=feed,
            sealed_credentials=credentials.seal(key), **{"armed": True} | fields,
        )  # fmt: skip
        now = datetime.now(UTC)
        accounts.open_books(account=account, wall=now)
        book = accounts.open_book(account=account, name="bot", capital=Decimal(capital), at=now)
        desk = cls(account, book, instrument, now, fake=fake, customer=customer)
        desk.quote(price)
        return desk

    def move(self, price, *, sweep=True):
        self.fake.world.set_price(BTC, price)
        self.quote(price)
        if sweep:
            self.round()

    def round(self) -> None:
        # A minute has passed, as far as the exchange and what may be asked of it can tell.
        ExchangeState.objects.update(used=0)
        self.fake.limits.minute = 0
        super().round()

    def balanced(self) -> list[str]:
        """What breaks the invariants, read from the exchange's own rows; an empty list is the only good answer."""
        from ledger.domain.money import balances
        from ledger.models import CashEntry, Order, Position

        found = []
        held = self.customer.position(BTC)
        ours = Position.objects.open().filter(account=self.account).first()
        if held.quantity != (ours.quantity if ours else 0):
            found.append(f"position: {held.quantity} there, {ours and ours.quantity} here")
        entries = balances(CashEntry.objects.filter(account=self.account).values_list("currency", "amount"))
        for currency, there in self.customer.wallet.items():
            if entries.get(currency, 0) != there:
                found.append(f"{currency}: {there} there, {entries.get(currency, 0)} here")
        stops = sum(a.quantity for a in self.customer.live_algos(BTC) if a.type == "STOP_MARKET" and a.reduce_only)
        if held.quantity and stops < abs(held.quantity):
            found.append(f"stops for {stops} of {held.quantity}")
        if not held.quantity and list(self.customer.live_algos(BTC)):
            found.append("a stop without a position")
        sent = [o.client_id for o in self.customer.orders.values() if o.algo is None]
        twice = {client_id for client_id in sent if sent.count(client_id) > 1}
        if twice:
            found.append(f"sent twice: {twice}")
        unknown = Order.objects.filter(account=self.account, state__in=("unknown", "sending")).count()
        return [*found, *([f"{unknown} orders of unknown fate"] if unknown else [])]
