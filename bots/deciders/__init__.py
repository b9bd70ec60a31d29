"""Who answers: the deciders of bots, found by name."""

from .base import Decider
from .registry import UnknownDecider, get, names

__all__ = ["Decider", "UnknownDecider", "get", "names"]
