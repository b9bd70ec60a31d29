"""The control room's view of bots: their controls, their policies, and what they decided, to read."""

from . import bots, history, policies, prompts, providers

__all__ = ["bots", "history", "policies", "prompts", "providers"]
