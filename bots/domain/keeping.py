"""Frozen values as JSON and back, digit by digit: so that a moment can be stood in again.

Decimals are texts, times are ISO, mappings have text keys. What does not fit its type raises; nothing is guessed.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from .exit_plan import Condition, parse_invalidation

_CONDITIONS = frozenset(get_args(Condition))


def as_json(value: Any) -> Any:
    """Plain types, dataclasses, tuples, mappings and float arrays as JSON holds them. Raises TypeError for others."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if type(value) in _CONDITIONS:
        return value.as_json()
    if is_dataclass(value):
        # What a value works out for itself when it is made is not kept.
        return {field.name: as_json(getattr(value, field.name)) for field in fields(value) if field.init}
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [as_json(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} cannot be kept.")


def of_json(kind: Any, raw: Any) -> Any:
    """The value of type `kind` that `as_json` gave `raw` for; fields that are newer than `raw` take their default."""
    if get_origin(kind) in (Union, UnionType):
        if frozenset(get_args(kind)) == _CONDITIONS:
            return parse_invalidation(raw)
        [inner] = [one for one in get_args(kind) if one is not type(None)]
        return None if raw is None else of_json(inner, raw)
    if kind is Decimal:
        return Decimal(raw)
    if kind is datetime:
        return datetime.fromisoformat(raw)
    if get_origin(kind) is tuple:
        return tuple(of_json(get_args(kind)[0], one) for one in raw)
    if get_origin(kind) is np.ndarray:
        return np.array(raw, dtype=np.float64)
    if get_origin(kind) is Mapping:
        return {key: of_json(get_args(kind)[1], one) for key, one in raw.items()}
    if is_dataclass(kind):
        given = {name: of_json(hint, raw[name]) for name, hint in _hints(kind).items() if name in raw}  # type: ignore[arg-type]
        return kind(**given)  # type: ignore[operator]
    if not isinstance(raw, kind):
        raise TypeError(f"{raw!r} is no {kind.__name__}.")
    return raw


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}
