"""Opens a live market: asks the exchange once for instruments and prices, so that a start fails here and at once.

The feed of an exchange is kept between starts; what happened meanwhile is filled in by the driver.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from markets.domain.intake import Tick
from markets.exchanges import clients, market_data
from markets.models import ExchangeState, Feed, FeedKind, Instrument, Source
from markets.preparation import NotPossible, ensure_feed
from markets.rules import shipped

from . import instruments
from .prices import LivePrices

MOST = 40  # instruments that are taken in by the value that trades in them; any other one by name


def open_market(*, exchange: str, now: datetime, fresh: bool = False) -> Feed:
    """The live feed of an exchange with instruments and first quotes, made at first use. Raises NotPossible."""
    try:
        if not clients.exists(exchange):
            raise NotPossible(f"There is no feed «{exchange}»: it is neither a feed nor an exchange that ccxt knows.")
        days = _days(exchange)
        wanted = _chosen(exchange, days)
        instruments.refresh(exchange, now, symbols=wanted)
        feed = ensure_feed(kind=FeedKind.LIVE, exchange=exchange, fresh=fresh)
        first_prices(feed, wanted, days)
    except market_data.Away as away:
        raise NotPossible(f"The exchange {exchange} cannot be used now: {str(away).rstrip('.')}.") from None
    if not feed.quotes.filter(instrument__symbol__in=wanted).exists():
        raise NotPossible(f"The exchange {exchange} tells no usable price of {', '.join(wanted[:3])}.")
    ExchangeState.objects.update_or_create(exchange=exchange, defaults={"rules_at": now})
    opened_at = datetime.now(UTC)
    Feed.objects.filter(pk=feed.pk).update(market_now=opened_at, stepped_at=opened_at)
    feed.refresh_from_db()
    return feed


def first_prices(feed: Feed, symbols: Sequence[str], days: Sequence[Tick]) -> None:
    """A quote for each of these instruments, so that bots have something to look at. Raises market_data.Away.

    The clock is read when the answers have come: to a time before slow requests their prices would be of the future.
    """
    rows = {row.symbol: row for row in Instrument.objects.filter(exchange=feed.exchange, symbol__in=symbols)}
    told = market_data.prices(feed.exchange, list(rows))
    prices = LivePrices(feed)
    for ticks in (told, days):
        prices.take(ticks=ticks, instruments=rows, now=datetime.now(UTC), source=Source.POLLING)
    marks = market_data.funding(feed.exchange, list(rows))
    prices.take(ticks=marks, instruments=rows, now=datetime.now(UTC), source=Source.POLLING)
    prices.ages.write()


def _days(exchange: str) -> list[Tick]:
    """What traded in the last 24 hours, of all linear perpetuals."""
    listed = market_data.markets(exchange)
    symbols = [symbol for symbol, market in listed.items() if market.get("swap") and market.get("linear")]
    return market_data.day(exchange, [s for s in symbols if listed[s].get("active") is not False])


def _chosen(exchange: str, days: Sequence[Tick]) -> list[str]:
    """The instruments of the shipped file that trade, then the others by the value that trades in them."""
    by_value = sorted(days, key=lambda day: -(day.liquidity or 0))
    trading = [day.symbol for day in by_value]
    known = [symbol for symbol in shipped(exchange) if symbol in trading]
    return list(dict.fromkeys([*known, *trading]))[: max(MOST, len(known))]
