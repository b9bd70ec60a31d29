"""The tables of the markets app, one module per aggregate."""

from .candles import Candle, FundingRate, MarkCandle
from .feeds import Feed, FeedKind
from .instruments import Instrument, Quote
from .paper import PaperAccount, PaperOrder, PaperPosition, PaperReport
from .series import ChartValues, SeriesKind, SeriesNote

__all__ = [
    "Candle",
    "ChartValues",
    "Feed",
    "FeedKind",
    "FundingRate",
    "Instrument",
    "MarkCandle",
    "PaperAccount",
    "PaperOrder",
    "PaperPosition",
    "PaperReport",
    "Quote",
    "SeriesKind",
    "SeriesNote",
]
