"""The tables of the bots app, one module per aggregate."""

from .backtests import Asker, Backtest, BacktestState
from .bots import Bot, BotStatus
from .calls import Budget, CallState, ModelCall, Purpose
from .cycles import Cycle, CycleStatus, Trigger
from .decisions import Decision, DecisionItem, Outcome
from .moments import KnownAnswer, Moment, Replay
from .policies import RiskPolicy
from .prompts import Prompt, PromptPreview, PromptVersion, TaskState
from .providers import FallbackModel, KeySource, LanguageModel, Provider

__all__ = [
    "Asker",
    "Backtest",
    "BacktestState",
    "Bot",
    "BotStatus",
    "Budget",
    "CallState",
    "Cycle",
    "CycleStatus",
    "Decision",
    "DecisionItem",
    "FallbackModel",
    "KeySource",
    "KnownAnswer",
    "LanguageModel",
    "ModelCall",
    "Moment",
    "Outcome",
    "Prompt",
    "PromptPreview",
    "PromptVersion",
    "Provider",
    "Purpose",
    "Replay",
    "RiskPolicy",
    "TaskState",
    "Trigger",
]
