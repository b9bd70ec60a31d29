"""The tables of the bots app, one module per aggregate."""

from .bots import Bot, BotStatus
from .cycles import Cycle, CycleStatus, Trigger
from .decisions import Decision, DecisionItem, Outcome
from .policies import RiskPolicy

__all__ = [
    "Bot",
    "BotStatus",
    "Cycle",
    "CycleStatus",
    "Decision",
    "DecisionItem",
    "Outcome",
    "RiskPolicy",
    "Trigger",
]
