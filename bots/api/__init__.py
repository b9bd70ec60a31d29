"""The resources of the API that know bots: bots, decisions, diary, performance, leaderboard, providers of language
models, and the ledger's by bot.

All of it starts from its owner, so another user's id is not found here. All but backtests, risk policies, the test of a
model and the emergency close is to read.
"""

from .backtests import BacktestViewSet
from .diary import DiaryViewSet
from .emergency import AccountViewSet, BotViewSet
from .policies import RiskPolicyViewSet
from .providers import ProviderViewSet
from .ranking import LeaderboardViewSet, PerformanceViewSet
from .resources import (
    DecisionViewSet,
    OrderViewSet,
    PositionViewSet,
    TradeViewSet,
)

__all__ = [
    "AccountViewSet",
    "BacktestViewSet",
    "BotViewSet",
    "DecisionViewSet",
    "DiaryViewSet",
    "LeaderboardViewSet",
    "OrderViewSet",
    "PerformanceViewSet",
    "PositionViewSet",
    "ProviderViewSet",
    "RiskPolicyViewSet",
    "TradeViewSet",
]
