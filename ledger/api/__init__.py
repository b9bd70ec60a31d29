"""The ledger's resources of the API: orders, trades and positions, to read.

Everything starts from its owner, so another user's id is not found here. `rows` and `filtering` are what
resources of other apps build on, too.
"""

from .filtering import SymbolFilter, choice, owned, since, until, yes_or_no
from .resources import (
    OrderFilters,
    OrderViewSet,
    PositionFilters,
    PositionViewSet,
    TradeFilters,
    TradeViewSet,
)
from .rows import Amount, Documented, OwnRows, Row

__all__ = [
    "Amount",
    "Documented",
    "OrderFilters",
    "OrderViewSet",
    "OwnRows",
    "PositionFilters",
    "PositionViewSet",
    "Row",
    "SymbolFilter",
    "TradeFilters",
    "TradeViewSet",
    "choice",
    "owned",
    "since",
    "until",
    "yes_or_no",
]
