"""Venue reports as JSON and back, exactly: decimals are text, times ISO 8601 with their zone.

What is written here must stay readable for ever: new fields need a default in `markets.domain.orders`.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_type_hints

from markets.domain.orders import Fill, Income, OrderReport, OrderType, Report, Side, VenueStatus
from markets.domain.rounding import plain

KINDS: dict[str, type[Report]] = {"fill": Fill, "income": Income, "order": OrderReport}

_READ: dict[Any, Callable[[Any], Any]] = {
    Decimal: Decimal,
    datetime: datetime.fromisoformat,
    Side: Side,
    OrderType: OrderType,
    VenueStatus: VenueStatus,
}


def kind_of(report: Report) -> str:
    return next(kind for kind, type_ in KINDS.items() if isinstance(report, type_))


def ref_of(report: Report) -> str:
    """What identifies the report within its account and kind; an order has many reports."""
    if isinstance(report, Fill):
        return report.trade_id
    return report.income_id if isinstance(report, Income) else report.client_id


def encode(report: Report) -> dict[str, Any]:
    """The fields of a report as JSON values."""
    return {field.name: _written(getattr(report, field.name)) for field in fields(report)}


def decode(kind: str, body: Mapping[str, Any]) -> Report:
    """The report that `encode` was given. Raises KeyError for an unknown kind."""
    readers = _READERS[kind]
    return KINDS[kind](**{name: _read(readers.get(name), value) for name, value in body.items()})


def _written(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{plain(value):f}"
    return value.isoformat() if isinstance(value, datetime) else value


def _read(reader: Callable[[Any], Any] | None, value: Any) -> Any:
    return value if value is None or reader is None else reader(value)


def _readers(type_: type[Report]) -> dict[str, Callable[[Any], Any]]:
    readers = {}
    for name, hint in get_type_hints(type_).items():
        inner = next((part for part in get_args(hint) if part is not NoneType), hint)
        if inner in _READ:
            readers[name] = _READ[inner]
    return readers


_READERS = {kind: _readers(type_) for kind, type_ in KINDS.items()}
