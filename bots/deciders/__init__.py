"""Who answers: the deciders of bots, found by name."""

from .base import Decider
from .house import BASELINES, RandomLike
from .registry import UnknownDecider, get, names

RANDOM_LIKE = RandomLike.name

__all__ = ["BASELINES", "RANDOM_LIKE", "Decider", "UnknownDecider", "get", "names"]
