"""The tables of the markets app, one module per aggregate."""

from .candles import Candle, FundingRate
from .feeds import Feed, FeedKind
from .instruments import Instrument, InstrumentStatus, Quote
from .live import Breaker, DataAge, ExchangeState, OpenInterest, RefusedData, Source, Watch
from .paper import PaperAccount, PaperOrder, PaperPosition, PaperReport

__all__ = [
    "Breaker",
    "Candle",
    "DataAge",
    "ExchangeState",
    "Feed",
    "FeedKind",
    "FundingRate",
    "Instrument",
    "InstrumentStatus",
    "OpenInterest",
    "PaperAccount",
    "PaperOrder",
    "PaperPosition",
    "PaperReport",
    "Quote",
    "RefusedData",
    "Source",
    "Watch",
]
