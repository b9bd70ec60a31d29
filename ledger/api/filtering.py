"""The filters that resources share. A value that cannot be meant is refused with one sentence.

The framework's own filters would answer some mistakes with everything or with nothing.
"""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from markets.models import Instrument


class Symbol(forms.CharField):
    """The symbol of an instrument that exists: a mistyped one would look like an empty history."""

    def clean(self, value: Any) -> str:
        symbol: str = super().clean(value)
        if symbol and not Instrument.objects.filter(symbol=symbol).exists():
            words = "There is no instrument %(symbol)s; symbols look like BTC/USDT:USDT."
            raise ValidationError(words, params={"symbol": symbol})  # whoever shows it formats it
        return symbol


class Moment(IsoDateTimeField):
    """A time in UTC. One at the edge of the calendar has none."""

    def clean(self, value: Any) -> datetime | None:
        at: datetime | None = super().clean(value)
        try:
            return at and at.astimezone(UTC)
        except OverflowError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


class MomentFilter(filters.IsoDateTimeFilter):
    field_class = Moment


class SymbolFilter(filters.CharFilter):
    field_class = Symbol


def choice(choices: Any, **kwargs: Any) -> filters.ChoiceFilter:
    """A filter by one of these choices, whose refusal names them."""
    named = f"There is no %(value)s here; choose one of {', '.join(choices.values)}."
    return filters.ChoiceFilter(choices=choices.choices, error_messages={"invalid_choice": named}, **kwargs)


def yes_or_no(field: str, **kwargs: Any) -> filters.TypedChoiceFilter:
    """A filter by true or false; the framework's own takes any other word for "not asked"."""
    made = filters.TypedChoiceFilter(
        field,
        choices=[("true", "yes"), ("false", "no")],
        coerce=lambda word: word == "true",
        error_messages={"invalid_choice": "%(value)s is neither true nor false."},
        **kwargs,
    )
    return extend_schema_field(OpenApiTypes.BOOL)(made)


def owned(model: type[Model], **kwargs: Any) -> filters.ModelChoiceFilter:
    """A filter by a row of the asking user. Rows of others and rows that do not exist are refused alike."""

    def of(request: Request | None) -> QuerySet[Any]:
        rows = model._default_manager
        return rows.of(request.user) if request else rows.none()  # type: ignore[attr-defined]

    refusal = f"You have no {model._meta.verbose_name} with the id %(value)s."
    return filters.ModelChoiceFilter(queryset=of, error_messages={"invalid_choice": refusal}, **kwargs)


def owner(model: type[Model], field_name: str) -> filters.ModelChoiceFilter:
    """`owned`, for lists that are read owner by owner: it narrows the owners, and leaves the rows to them."""
    return owned(model, field_name=field_name, method=lambda rows, name, chosen: rows)


class Own(serializers.PrimaryKeyRelatedField):
    """A row of the asking user by its id, for queries that are no set of filters."""

    def __init__(self, model: type[Model], **kwargs: Any) -> None:
        super().__init__(queryset=model._default_manager.none(), required=False, **kwargs)
        self.model: Any = model

    def get_queryset(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model.objects.of(self.context["request"].user)
        return rows

    def to_internal_value(self, data: Any) -> Any:
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:
            name = self.model._meta.verbose_name
            raise serializers.ValidationError(f"You have no {name} with the id {str(data)[:40]}.") from None


def since(field: str) -> MomentFilter:
    return MomentFilter(field, lookup_expr="gte", help_text="At this UTC time or later.")


def until(field: str) -> MomentFilter:
    return MomentFilter(field, lookup_expr="lt", help_text="Before this UTC time.")
