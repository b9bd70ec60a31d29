"""The tables of the markets app, one module per aggregate."""

from .candles import Candle, FundingRate
from .feeds import Feed, FeedKind
from .instruments import Instrument, Quote
from .paper import PaperAccount, PaperOrder, PaperPosition, PaperReport

__all__ = [
    "Candle",
    "Feed",
    "FeedKind",
    "FundingRate",
    "Instrument",
    "PaperAccount",
    "PaperOrder",
    "PaperPosition",
    "PaperReport",
    "Quote",
]
