"""The resources of the API that know bots: bots, decisions, diary, performance, leaderboard, and the ledger's by bot.

All of it is to read and starts from its owner, so another user's id is not found here.
"""

from .diary import DiaryViewSet
from .ranking import LeaderboardViewSet, PerformanceViewSet
from .resources import (
    BotViewSet,
    DecisionViewSet,
    OrderViewSet,
    PositionViewSet,
    TradeViewSet,
)

__all__ = [
    "BotViewSet",
    "DecisionViewSet",
    "DiaryViewSet",
    "LeaderboardViewSet",
    "OrderViewSet",
    "PerformanceViewSet",
    "PositionViewSet",
    "TradeViewSet",
]
