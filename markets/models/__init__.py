"""The tables of the markets app, one module per aggregate."""

from .candles import Candle, FundingRate, MarkCandle
from .feeds import Feed, FeedKind
from .instruments import Instrument, InstrumentStatus, Quote
from .live import Breaker, DataAge, ExchangeState, OpenInterest, RefusedData, Source, Watch
from .paper import PaperAccount, PaperOrder, PaperPosition, PaperReport
from .series import ChartValues, SeriesKind, SeriesNote

__all__ = [
    "Breaker",
    "Candle",
    "ChartValues",
    "DataAge",
    "ExchangeState",
    "Feed",
    "FeedKind",
    "FundingRate",
    "Instrument",
    "InstrumentStatus",
    "MarkCandle",
    "OpenInterest",
    "PaperAccount",
    "PaperOrder",
    "PaperPosition",
    "PaperReport",
    "Quote",
    "RefusedData",
    "SeriesKind",
    "SeriesNote",
    "Source",
    "Watch",
]
