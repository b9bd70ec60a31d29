"""What a row looks like to others and who may read it: amounts as text, only the asking user's rows.

The documentation of the errors stands here too, because every resource has the same ones.
"""

from typing import Any

from django.db.models import DecimalField, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.viewsets import ReadOnlyModelViewSet

from ledger.tokens import HasScope
from markets.fields import DECIMALS, DIGITS

PAGING = {"cursor", "page_size", "format"}


class Amount(serializers.DecimalField):
    """A decimal as text, without an exponent and without trailing zeros."""

    def __init__(self, **kwargs: Any) -> None:
        exact = {"max_digits": DIGITS, "decimal_places": DECIMALS}
        super().__init__(**exact | kwargs, coerce_to_string=True, normalize_output=True)


class Row(serializers.ModelSerializer):
    """A row as others see it; every decimal column is an `Amount`."""

    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {DecimalField: Amount}


class Problem(serializers.Serializer):
    detail = serializers.CharField(help_text="What is wrong, in one sentence.")


class Documented(AutoSchema):
    """Adds to each operation the errors that it can answer with."""

    def get_response_serializers(self) -> Any:
        answer = super().get_response_serializers()
        errors: dict[int, Any] = {
            401: OpenApiResponse(Problem, description="Nobody is signed in, or the token does not hold."),
            403: OpenApiResponse(Problem, description="The token's scope does not reach this."),
        }
        if not isinstance(self.view, OwnRows):
            return {200: answer} | errors
        errors[400] = OpenApiResponse(OpenApiTypes.OBJECT, description="Sentences by the name of the filter.")
        errors[404] = OpenApiResponse(Problem, description="There is no such row of yours, or no such page.")
        return {200: answer} | errors


class OwnRows(ReadOnlyModelViewSet):
    """Reads the rows of the asking user, newest first."""

    permission_classes = [HasScope]
    schema = Documented()
    filterset_class: type[filters.FilterSet]

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()  # the schema is being written; nobody is asking
        return rows.of(self.request.user)  # type: ignore[attr-defined]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        known = set(self.filterset_class.base_filters)
        for name in self.request.query_params:
            # A mistyped filter would silently answer with everything.
            if name not in known | PAGING:
                sentence = f"There is no filter {name}; there are {', '.join(sorted(known))}."
                raise ValidationError({name: [sentence]})
        return super().filter_queryset(queryset)


class TokenScheme(OpenApiAuthenticationExtension):
    """How the documentation describes the header of a token."""

    target_class = "ledger.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "The word `Token`, a space and the token. `manage.py create_token` makes one.",
        }
