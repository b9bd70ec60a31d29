"""The deciders by name. A house strategy takes options; an unknown name or option is refused in words."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .base import Decider
from .house import STRATEGIES

_CHANCE, _AWAY, _OSCILLATOR = (0, 1), (0.01, 1000), (0, 100)
# What an option may be, least and most, whatever strategy takes it; one that is not listed here cannot be set.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "stop_atr": _AWAY, "target_atr": _AWAY, "stop_share": (0.01, 1), "stop": (0.0001, 0.99), "target": (0.0001, 10),
    "entry_chance": _CHANCE, "exit_chance": _CHANCE, "long_share": _CHANCE,
    "share": (0.0001, 100), "invested": (0.0001, 100),
    "min_adx": _OSCILLATOR, "oversold": _OSCILLATOR, "overbought": _OSCILLATOR, "swing": (0, 1000),
}  # fmt: skip


class UnknownDecider(ValueError):
    """No decider of this name, or an option it does not take. The message is for people."""


def names() -> tuple[str, ...]:
    """Every name that `get` knows, sorted."""
    return tuple(sorted(STRATEGIES))


def get(name: str, options: Mapping[str, Any] | None = None) -> Decider:
    """The decider of this name, with `options` for its parameters (numbers, also as text).

    Raises UnknownDecider with the names there are.
    """
    strategy = STRATEGIES.get(name)
    if strategy is None:
        raise UnknownDecider(f"There is no decider named {name!r}; there are {', '.join(names())}.")
    defaults = {field.name: field.default for field in fields(strategy)}
    return strategy(**{key: _option(name, key, value, defaults) for key, value in (options or {}).items()})


def _option(name: str, key: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    if key not in defaults:
        known = ", ".join(defaults) or "none"
        raise UnknownDecider(f"{name} has no option {key!r}; it has {known}.")
    try:
        found = type(defaults[key])(value)
    except (TypeError, ValueError, OverflowError):
        raise UnknownDecider(f"The option {key} of {name} must be a number, not {value!r}.") from None
    least, most = BOUNDS[key]
    if not least <= found <= most:
        raise UnknownDecider(f"The option {key} of {name} must be from {least:g} to {most:g}, not {value}.")
    return found
