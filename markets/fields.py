"""A decimal column that is exact on every database.

SQLite would turn a decimal into a float beyond 15 digits; here it is text, compared as a number. PostgreSQL
uses numeric. Values that do not fit are refused instead of being rounded in silence. Sums, arithmetic and order
over such columns belong in Python: SQLite would do them in floats, and sort as text.
"""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import lookups
from django.db.models.expressions import Col

from markets.domain.rounding import plain

DIGITS, DECIMALS = 38, 18


class ExactDecimalField(models.DecimalField):
    """Up to 20 digits before and 18 after the point, never rounded by the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = DIGITS, DECIMALS
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def get_internal_type(self) -> str:
        # Under Django's own name SQLite would read every value back through a float.
        return "ExactDecimalField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "text" if connection.vendor == "sqlite" else f"numeric({DIGITS}, {DECIMALS})"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        value = self.to_python(value)
        if value is None:
            return None
        exact = plain(value)
        return format(exact, "f") if connection.vendor == "sqlite" else exact

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if hasattr(value, "as_sql"):
            return value
        self._refuse_unfit(self.to_python(value))
        return self.get_db_prep_value(value, connection)

    def _refuse_unfit(self, value: Decimal | None) -> None:
        if value is None:
            return
        # copy_abs and not abs, which would round to the 28 digits that Python computes with.
        if value.copy_abs() >= 10 ** (DIGITS - DECIMALS):
            raise ValidationError(f"{value} has more than {DIGITS - DECIMALS} digits before the point.")
        if len(format(plain(value), "f").partition(".")[2]) > DECIMALS:
            raise ValidationError(f"{value} has more than {DECIMALS} decimals.")

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Decimal | None:
        if value is None:
            return None
        if isinstance(value, str):
            return Decimal(value)  # SQLite gives the text back that it was given, and that was plain.
        return plain(value if isinstance(value, Decimal) else Decimal(str(value)))

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        return [self.from_db_value]


class _NumericComparison:
    """On SQLite both sides are cast, so that '9' < '10' holds. It tells 15 digits apart, no more."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        lhs, lhs_params = self.process_lhs(compiler, connection)  # type: ignore[attr-defined]
        rhs, rhs_params = self.process_rhs(compiler, connection)  # type: ignore[attr-defined]
        sides = [rhs] if isinstance(rhs, str) else rhs
        cast = [f"CAST({side} AS NUMERIC)" for side in sides]
        operator = self.get_rhs_op(connection, cast[0] if isinstance(rhs, str) else cast)  # type: ignore[attr-defined]
        return f"CAST({lhs} AS NUMERIC) {operator}", [*lhs_params, *rhs_params]


class _Equality(_NumericComparison):
    """A stored value has one spelling, so a column and a value are equal to the last digit as text."""

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        if isinstance(self.lhs, Col) and self.rhs_is_direct_value():  # type: ignore[attr-defined]
            return self.as_sql(compiler, connection)  # type: ignore[attr-defined]
        return super().as_sqlite(compiler, connection, **extra)


ExactDecimalField.register_lookup(type("Exact", (_Equality, lookups.Exact), {}))
for _lookup in (
    lookups.GreaterThan,
    lookups.GreaterThanOrEqual,
    lookups.LessThan,
    lookups.LessThanOrEqual,
    lookups.Range,
):
    ExactDecimalField.register_lookup(type(_lookup.__name__, (_NumericComparison, _lookup), {}))
