"""A live account for tests: the product's live venue over the real ccxt on one side, the fake exchange on the other."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

from markets.domain.instruments import InstrumentRules, MarginTier
from markets.domain.orders import OrderRequest, OrderType, Side
from markets.exchanges import clients
from markets.exchanges.live import LiveVenue
from markets.exchanges.sent import SentOrder

from .fake_exchange import FakeExchange
from .fake_exchange.account import Account
from .fake_exchange.binanceusdm_private import open_account

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
RULES = InstrumentRules(
    symbol=BTC, base="BTC", quote="USDT", settle="USDT", kind="perpetual", tick=Decimal("0.1"), step=Decimal("0.001"),
    min_quantity=Decimal("0.001"), min_notional=Decimal(100), maker_fee=Decimal("0.0002"),
    taker_fee=Decimal("0.0005"), tiers=(MarginTier(Decimal(0), Decimal("0.01"), Decimal(0), 125),),
)  # fmt: skip
ALL_RULES = {
    BTC: RULES,
    ETH: replace(RULES, symbol=ETH, base="ETH", tick=Decimal("0.01"), min_notional=Decimal(20)),
}


@dataclass
class Notebook:
    """What was sent, as the ledger would remember it."""

    orders: dict[str, SentOrder] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    taken_over: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(minutes=1))

    def note(self, request: OrderRequest) -> None:
        self.orders[request.client_id] = SentOrder(
            request.client_id, request.symbol, request.side, request.type, request.quantity, datetime.now(UTC)
        )

    def find(self, client_id):
        return self.orders.get(client_id)

    def live(self):
        return [order for order in self.orders.values() if order.client_id not in self.ended]

    def symbols(self):
        return self.held

    def since(self):
        return self.taken_over


@dataclass
class LiveDesk:
    """`account` is the fake exchange's own truth, `venue` what the product sees."""

    fake: FakeExchange
    account: Account
    venue: LiveVenue
    sent: Notebook
    client: object

    @classmethod
    def open(cls, fake: FakeExchange, settings, deposit="10000", timeout=1.0, key="key") -> "LiveDesk":
        settings.EXCHANGE_URLS = {name: fake.url(name) for name in fake.worlds}
        fake.world.set_price(BTC, 50_000)
        fake.world.set_price(ETH, 2_000)
        account = open_account(fake.world, deposit, key=key)
        notebook = Notebook()
        client = clients.client("binanceusdm", credentials={"apiKey": key, "secret": "secret"}, timeout=timeout)
        venue = LiveVenue(client, "USDT", sent=notebook, rules=ALL_RULES.get)
        return cls(fake, account, venue, notebook, client)

    def request(self, side=Side.BUY, quantity="0.01", type=OrderType.MARKET, **how) -> OrderRequest:
        how = {"symbol": BTC, "leverage": 5, "valid_until": datetime.now(UTC) + timedelta(seconds=30), **how}
        for name in ("price", "trigger"):
            if isinstance(how.get(name), str):
                how[name] = Decimal(how[name])
        return OrderRequest(client_id=str(uuid4()), side=side, type=type, quantity=Decimal(quantity), **how)

    def send(self, *args, **how):
        request = args[0] if args and isinstance(args[0], OrderRequest) else self.request(*args, **how)
        self.sent.note(request)
        return request, self.venue.send(request)

    def stop(self, trigger="49000", quantity="0.01", **how):
        return self.send(Side.SELL, quantity, OrderType.STOP, trigger=trigger, reduce_only=True, **how)

    def reports(self, after=0):
        return self.venue.reports(after)

    @property
    def rules(self):
        return ALL_RULES

    @property
    def held(self) -> Decimal:
        return self.account.position(BTC).quantity
