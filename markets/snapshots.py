"""Puts together everything a bot sees of the market at one instant: quotes and candle windows."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from . import history, quotes
from .domain.snapshot import InstrumentView, Snapshot
from .models import Feed, Instrument


def snapshot(feed: Feed, instruments: Iterable[Instrument], timeframes: Sequence[str], now: datetime) -> Snapshot:
    """The market of `feed` at market time `now`. Two queries at most: quotes, and candles not yet read here.

    An instrument without a quote is not in the snapshot: there is nothing to trade it at.
    """
    chosen = list(instruments)
    prices = quotes.views(feed, chosen)
    windows = history.series(chosen, timeframes, now)
    views = {
        instrument.symbol: InstrumentView(
            instrument.rules,
            prices[instrument.symbol],
            {timeframe: windows[instrument.pk, timeframe] for timeframe in timeframes},
            now,
        )
        for instrument in chosen
        if instrument.symbol in prices
    }
    return Snapshot(now, views)
