"""The deciders by name. A house strategy takes options; an unknown name or option is refused in words."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .base import Decider
from .house import STRATEGIES


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
        return type(defaults[key])(value)
    except (TypeError, ValueError):
        raise UnknownDecider(f"The option {key} of {name} must be a number, not {value!r}.") from None
