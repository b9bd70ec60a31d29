"""What tests of live markets share: a fake exchange that the settings lead to, and an opened feed on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.test import override_settings

from markets import refusals
from markets.exchanges import market_data
from markets.live import opening
from markets.models import Feed, Instrument

from .fake_exchange import FakeExchange

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@contextmanager
def led_here(exchange: str = "binanceusdm") -> Iterator[FakeExchange]:
    """A fake exchange to which every client of this process goes."""
    with FakeExchange(exchange) as fake, override_settings(EXCHANGE_URLS={n: fake.url(n) for n in fake.worlds}):
        market_data.forget()
        try:
            yield fake
        finally:
            market_data.forget()
            refusals.forget()


def opened(fake: FakeExchange) -> Feed:
    """The live feed, with instruments and first quotes, running."""
    feed = opening.open_market(exchange=fake.exchange, now=datetime.now(UTC))
    Feed.objects.filter(pk=feed.pk).update(running=True)
    feed.refresh_from_db()
    fake.log.clear()
    return feed


def instrument(symbol: str = BTC, exchange: str = "binanceusdm") -> Instrument:
    return Instrument.objects.get(exchange=exchange, symbol=symbol)
