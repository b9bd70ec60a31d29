"""Rows of the markets app for tests. Feeds and instruments are made once per name and found again."""

from datetime import UTC, datetime
from decimal import Decimal

from markets.models import Feed, FeedKind, Instrument, Quote

NOW = datetime(2025, 5, 1, 12, 0, tzinfo=UTC)  # market time of every row that names none
EXCHANGE = "simulated-7"
SYMBOL = "BTC/USDT:USDT"
TIERS = [
    {"floor": "0", "maintenance_rate": "0.004", "maintenance_amount": "0", "max_leverage": 50},
    {"floor": "100000", "maintenance_rate": "0.01", "maintenance_amount": "600", "max_leverage": 20},
]


def feed(name="simulated-7", **fields) -> Feed:
    defaults = {
        "kind": FeedKind.SIMULATED,
        "exchange": EXCHANGE,
        "seed": 7,
        "starts_at": NOW,
        "market_now": NOW,
    }
    return Feed.objects.get_or_create(name=name, defaults=defaults | fields)[0]


def instrument(symbol=SYMBOL, **fields) -> Instrument:
    base, quote = symbol.partition(":")[0].split("/")
    defaults = {
        "base": base,
        "quote": quote,
        "settle": quote,
        "tick": Decimal("0.1"),
        "step": Decimal("0.001"),
        "min_quantity": Decimal("0.001"),
        "min_notional": Decimal("5"),
        "maker_fee": Decimal("0.0002"),
        "taker_fee": Decimal("0.0005"),
        "tiers": TIERS,
    }
    exchange = fields.pop("exchange", EXCHANGE)
    return Instrument.objects.get_or_create(exchange=exchange, symbol=symbol, defaults=defaults | fields)[0]


def quote(instrument_=None, price="50000", **fields) -> Quote:
    price = Decimal(price)
    defaults = {"last": price, "bid": price - 1, "ask": price + 1, "mark": price, "at": NOW}
    return Quote.objects.create(
        feed=fields.pop("feed", None) or feed(), instrument=instrument_ or instrument(), **defaults | fields
    )
