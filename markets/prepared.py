"""Reads of a fixed shape whose SQL is written once: for the few that every cycle of every bot makes.

For a small read, writing the SQL is nine tenths of what the ORM costs. A prepared read gives the objects or rows of
its queryset, whatever that is; only the values that a call gives may differ.
"""

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, QuerySet
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row")


class Given(Expression):
    """Stands in a queryset for a number or a text that the call will give."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return "%s", [self]


class Prepared(Generic[Row]):
    """`Prepared(build, "account")(account=7)` is `list(build(account=7))`.

    Values go to the driver as they are, so they are numbers or texts: keys, above all.
    """

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], *names: str) -> None:
        self._build, self._names = build, names

    def __call__(self, **values: int | str) -> list[Row]:
        compiler, sql, params = self._compiled
        bound = [values[param.name] if isinstance(param, Given) else param for param in params]
        # One compiler serves one read, on the connection of its thread.
        own: Any = copy(compiler)
        own.connection, own.as_sql = connections[self._queryset.db], lambda *_, **__: (sql, bound)
        rows: Any = self._queryset.all()
        rows.query.get_compiler = lambda *_, **__: own
        return list(rows)

    @cached_property
    def _queryset(self) -> QuerySet[Any, Row]:
        return self._build(**{name: Given(name) for name in self._names})

    @cached_property
    def _compiled(self) -> tuple[Any, ...]:
        compiler = self._queryset.all().query.get_compiler(using=self._queryset.db)
        return compiler, *compiler.as_sql()
