"""The fields of an answer and how each is read, whatever a model wrote there.

No field sets a quantity: an entry asks for a share of the risk budget and code computes the size.
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any

from .exit_plan import parse_invalidation
from .untrusted import Refusal, Unfit, fraction, price, whole

MOST_MINUTES = 60 * 24 * 365
MOST_LEVERAGE = 1000


class Action(StrEnum):
    OPEN_LONG = "open_long"
    OPEN_SHORT = "open_short"
    ADD = "add"
    REDUCE = "reduce"
    CLOSE = "close"
    ADJUST_EXITS = "adjust_exits"
    HOLD = "hold"

    @property
    def enters(self) -> bool:
        """Whether it may take on exposure."""
        return self in (Action.OPEN_LONG, Action.OPEN_SHORT, Action.ADD)


Read = Callable[[Any, str], Any]
# How each field that is a number is read from whatever a model wrote; what does not fit raises `Unfit`.
NUMBERS: dict[str, Read] = {
    "conviction": fraction,
    "risk_share": fraction,
    "leverage": lambda value, name: whole(value, name, MOST_LEVERAGE),
    "limit": price,
    "stop": price,
    "target": price,
    "trail": lambda value, name: fraction(value, name, above_zero=True, below_one=True),
    "minutes": lambda value, name: whole(value, name, MOST_MINUTES),
    "reduce_share": lambda value, name: fraction(value, name, above_zero=True),
}


def read_fields(
    raw: Mapping[Any, Any], names: Collection[str], timeframes: Collection[str]
) -> tuple[dict[str, Any], list[Refusal]]:
    """The fields of these names that are given, and one refusal for each that cannot be read."""
    found: dict[str, Any] = {}
    unfit: list[Refusal] = []
    for name in names:
        value = raw.get(name)
        if value is None:
            continue
        try:
            if name == "invalidation":
                found[name] = parse_invalidation(value, timeframes)
            else:
                found[name] = NUMBERS[name](value, name)
        except Unfit as refused:
            unfit.append(refused.refusal)
    return found, unfit
