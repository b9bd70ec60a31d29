"""A feed of the simulated market: the coins of `markets.domain.simulation` as instruments of one exchange.

It keeps no state: an instant follows from the seed, the time and the price quoted then, so that any process
can take over at any instant.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np

from markets.domain import simulation
from markets.domain.candles import Candles
from markets.domain.simulation import COINS, Minute
from markets.domain.venue_state import Bar
from markets.models import Feed, Instrument

from .base import Prices, next_settlement

TIMEFRAME = "1m"
START = datetime.fromtimestamp(simulation.START * 60, UTC)
# One-hour indicators have warmed up by the start.
PAST = timedelta(days=25)


def exchange(seed: int) -> str:
    return f"simulated-{seed}"


def minutes(at: datetime) -> int:
    return int(at.timestamp()) // 60


class SimulatedFeed:
    """See `LockStepFeed`. All six coins have a price at every minute; it ends only where its row says so."""

    timeframe: str = TIMEFRAME
    generates: bool = True

    def __init__(self, feed: Feed) -> None:
        self._seed = feed.seed
        self._ends_at = feed.ends_at
        listed = {i.symbol: i for i in Instrument.objects.filter(exchange=feed.exchange)}
        self._coins = {listed[coin.symbol].pk: number for number, coin in enumerate(COINS)}
        self.instruments: Sequence[Instrument] = [listed[coin.symbol] for coin in COINS]

    def bars(self, at: datetime, opens: Prices) -> Mapping[int, Bar]:
        return {pk: self._bar(pk, at, price) for pk, price in opens.items()}

    def _bar(self, pk: int, at: datetime, price: Decimal) -> Bar:
        number = self._coins[pk]
        coin = COINS[number]
        candle = next(simulation.walk(self._seed, number, minutes(at), coin.ticks(price), 1))
        open_, high, low, close = (coin.money(ticks) for ticks in candle[1:5])
        return Bar(open_, high, low, close, Decimal(candle.volume).scaleb(-coin.lots))

    def opens(self, at: datetime, closes: Prices) -> Prices:
        return {pk: self._open(pk, at, close) for pk, close in closes.items()}

    def _open(self, pk: int, at: datetime, close: Decimal) -> Decimal:
        number = self._coins[pk]
        coin = COINS[number]
        return coin.money(simulation.opening(self._seed, number, minutes(at), coin.ticks(close)))

    def funding(self, at: datetime) -> Prices:
        minute = minutes(at)
        if minute % simulation.FUNDING_MINUTES:
            return {}
        return {pk: simulation.funding_rate(self._seed, number, minute) for pk, number in self._coins.items()}

    def next_funding(self, instrument: Instrument, at: datetime) -> datetime | None:
        return next_settlement(instrument, at)

    def ended(self, at: datetime) -> bool:
        return self._ends_at is not None and at >= self._ends_at


def past(seed: int, until: datetime) -> tuple[list[Candles], list[Decimal]]:
    """The one-minute candles of each coin from before the start up to `until`, and its first price then."""
    first, end = minutes(START - PAST), minutes(until)
    told: list[list[Minute]] = [[] for _ in COINS]
    prices = [round(coin.price * 10**coin.decimals) for coin in COINS]
    for minute in range(first, end, simulation.STRETCH):
        # Stretch by stretch over all coins: what happens in one is worked out once for all of them.
        count = min(simulation.STRETCH, end - minute)
        for number in range(len(COINS)):
            told[number].extend(simulation.walk(seed, number, minute, prices[number], count))
            prices[number] = simulation.opening(seed, number, minute + count, told[number][-1].close)
    return [_candles(*pair) for pair in zip(COINS, told, strict=True)], [
        coin.money(price) for coin, price in zip(COINS, prices, strict=True)
    ]


def last_funding(seed: int, at: datetime) -> tuple[datetime, list[Decimal]]:
    """The settlement at `at` or last before it, and the rate of each coin there."""
    settled = minutes(at) // simulation.FUNDING_MINUTES * simulation.FUNDING_MINUTES
    rates = [simulation.funding_rate(seed, number, settled) for number in range(len(COINS))]
    return datetime.fromtimestamp(settled * 60, UTC), rates


def _candles(coin: simulation.Coin, told: list[Minute]) -> Candles:
    table = np.array(told, dtype=np.int64).reshape(-1, len(Minute._fields))
    open_, high, low, close = (table[:, column] / 10**coin.decimals for column in range(1, 5))
    return Candles(table[:, 0] * 60_000, open_, high, low, close, table[:, 5] / 10**coin.lots)
