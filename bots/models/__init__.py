"""The tables of the bots app, one module per aggregate."""

from .bots import Bot, BotStatus
from .cycles import Cycle, CycleStatus, Trigger
from .decisions import Decision, DecisionItem, Outcome
from .moments import KnownAnswer, Moment, Replay
from .policies import RiskPolicy
from .prompts import Prompt, PromptPreview, PromptVersion, TaskState

__all__ = [
    "Bot",
    "BotStatus",
    "Cycle",
    "CycleStatus",
    "Decision",
    "DecisionItem",
    "KnownAnswer",
    "Moment",
    "Outcome",
    "Prompt",
    "PromptPreview",
    "PromptVersion",
    "Replay",
    "RiskPolicy",
    "TaskState",
    "Trigger",
]
