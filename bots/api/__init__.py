"""The resources of the API that know bots: bots, decisions, diary, performance, leaderboard, and the ledger's by bot.

All of it starts from its owner, and all but risk policies is to read, so another user's id is not found here.
"""

from .diary import DiaryViewSet
from .policies import RiskPolicyViewSet
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
    "RiskPolicyViewSet",
    "TradeViewSet",
]
