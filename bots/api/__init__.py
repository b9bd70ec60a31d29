"""The resources of the API that know bots: bots, decisions, diary, performance, leaderboard, providers of language
models, and the ledger's by bot.

All of it but the test of a model is to read, and starts from its owner, so another user's id is not found here.
"""

from .diary import DiaryViewSet
from .providers import ProviderViewSet
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
    "ProviderViewSet",
    "TradeViewSet",
]
