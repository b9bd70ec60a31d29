"""The ledger's resources of the API: accounts, books, orders, trades and positions, instruments and candles.

All of it starts from its owner, so another user's id is not found here; writing is what accounts and positions
need. `rows`, `pages`, `lines` and
`filtering` are what resources of other apps build on, too.
"""

from .alerts import AlertViewSet
from .candles import CandleViewSet
from .filtering import Own, SymbolFilter, choice, owned, owner, since, until, yes_or_no
from .holdings import AccountViewSet, BookViewSet
from .instruments import InstrumentViewSet
from .lines import ASIDE, Line, Lines, text, utc
from .pages import Pages, TimedPages
from .resources import (
    OrderFilters,
    OrderViewSet,
    PositionFilters,
    PositionViewSet,
    TradeFilters,
    TradeViewSet,
)
from .rows import Amount, Guarded, OwnHistory, OwnRows, Row, refuse_unknown

__all__ = [
    "ASIDE",
    "AccountViewSet",
    "AlertViewSet",
    "Amount",
    "BookViewSet",
    "CandleViewSet",
    "Guarded",
    "InstrumentViewSet",
    "Line",
    "Lines",
    "OrderFilters",
    "OrderViewSet",
    "Own",
    "OwnHistory",
    "OwnRows",
    "Pages",
    "PositionFilters",
    "PositionViewSet",
    "Row",
    "SymbolFilter",
    "TimedPages",
    "TradeFilters",
    "TradeViewSet",
    "choice",
    "owned",
    "owner",
    "refuse_unknown",
    "since",
    "text",
    "until",
    "utc",
    "yes_or_no",
]
