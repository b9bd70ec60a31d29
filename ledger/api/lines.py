"""Rows of long lists as plain values, made without an object for each of them.

A serializer says what a row looks like, for the documentation too; here the same row is read straight from its
columns. Decimals come as text from the database, so nothing is parsed that is only printed again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import BooleanField, DateTimeField, DecimalField, F, Func, QuerySet, TextField, UUIDField
from rest_framework import serializers

from markets.fields import DECIMALS

Line = dict[str, Any]


class Computed(NamedTuple):
    """A field that no column holds: what `make` gives of these columns, of which decimals come as text."""

    columns: tuple[str, ...]
    make: Callable[..., Any]


# Read in a statement of its own, by whoever tells the lines.
ASIDE = Computed(("pk",), lambda pk: None)


class Plain(Func):
    """A column as it is, past the conversions of the framework."""

    output_field = TextField()
    template = "%(expressions)s"


class PlainDecimal(Plain):
    """An exact decimal as text without trailing zeros, which is how SQLite keeps it."""

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="trim_scale(%(expressions)s)::text", **extra)


class PlainTime(Plain):
    """A time as it is kept. On SQLite that is text, of which the driver would make an object without the cast."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS TEXT)", **extra)


class Lines:
    """The rows of a query as their serializer describes them. `computed` names the fields that no column holds."""

    def __init__(self, serializer: type[serializers.ModelSerializer], **computed: Computed) -> None:
        self._serializer, self._computed = serializer, computed

    def of(self, rows: QuerySet[Any]) -> list[Line]:
        return [line for _, line in self.keyed(rows, "pk")]

    def keyed(self, rows: QuerySet[Any], key: str) -> list[tuple[Any, Line]]:
        """The lines, each with the value of a column beside it."""
        names, columns, converted, computed = self._plan
        told = []
        for values in rows.values_list(*columns, key):
            line = dict(zip(names, values, strict=False))
            for name, convert in converted:
                if line[name] is not None:
                    line[name] = convert(line[name])
            for name, make, places in computed:
                line[name] = make(*[values[place] for place in places])
            told.append((values[-1], line))
        return told

    @cached_property
    def _plan(self) -> _Plan:
        fields = self._serializer().fields
        model = self._serializer.Meta.model
        # The place of a computed field holds its first column, so that the order of fields stays.
        paths = [
            self._computed[name].columns[0] if name in self._computed else "__".join(field.source_attrs)
            for name, field in fields.items()
        ]
        columns = [_column(model, path) for path in paths]
        converted = [
            (name, column.convert)
            for name, column in zip(fields, columns, strict=True)
            if column.convert and name not in self._computed
        ]
        computed = []
        for name, (needed, make) in self._computed.items():
            start = paths.index(needed[0])
            rest = range(len(columns), len(columns) + len(needed) - 1)
            columns += [_column(model, path) for path in needed[1:]]
            computed.append((name, make, (start, *rest)))
        return _Plan(tuple(fields), tuple(column.expression for column in columns), converted, computed)


class _Plan(NamedTuple):
    names: tuple[str, ...]
    columns: tuple[Any, ...]
    converted: list[tuple[str, Callable[[Any], Any]]]
    computed: list[tuple[str, Callable[..., Any], tuple[int, ...]]]


class _Column(NamedTuple):
    expression: Any
    convert: Callable[[Any], Any] | None = None


def _column(model: Any, path: str) -> _Column:
    """How a column is asked for and read; a name that is no column is taken for an annotated decimal."""
    *relations, name = path.split("__")
    for relation in relations:
        model = model._meta.get_field(relation).related_model
    field = {field.name: field for field in model._meta.get_fields()}.get(name)
    if name == "pk":
        return _Column("pk")
    if field is None or isinstance(field, DecimalField):
        return _Column(PlainDecimal(F(path)))
    if isinstance(field, DateTimeField):
        return _Column(PlainTime(F(path)), utc)
    if isinstance(field, UUIDField):
        return _Column(Plain(F(path)), uuid)
    return _Column(Plain(F(path)) if isinstance(field, BooleanField) else path)


def utc(value: str | datetime) -> str:
    """A stored time as others see it. SQLite keeps UTC as text, with a blank and without a zone."""
    text = value if isinstance(value, str) else value.isoformat()[:-6]
    return f"{text.replace(' ', 'T')}Z"


def uuid(value: str | UUID) -> str:
    """SQLite keeps the 32 digits alone."""
    return str(value if isinstance(value, UUID) else UUID(value))


def text(value: Decimal) -> str:
    """A computed amount, to as many decimals as are stored, without trailing zeros."""
    shown = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown
