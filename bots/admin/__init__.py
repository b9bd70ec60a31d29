"""The control room's view of bots: their controls, their policies, and what they decided, to read."""

from . import bots, history, policies, providers

__all__ = ["bots", "history", "policies", "providers"]
