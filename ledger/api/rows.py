"""What a row looks like to others and who may read it: amounts as text, only the asking user's rows.

The documentation of the errors stands here too, because every resource has the same ones.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import DecimalField, QuerySet
from django_filters import rest_framework as filters
from django_filters.utils import translate_validation
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from ledger.keyset import Place, newest
from ledger.models import Book
from ledger.tokens import HasScope
from markets.fields import DECIMALS, DIGITS

from .lines import Line, Lines
from .pages import Pages, TimedPages

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


ERRORS: dict[int, Any] = {
    400: OpenApiResponse(OpenApiTypes.OBJECT, description="Sentences by the name of the filter."),
    401: OpenApiResponse(Problem, description="Nobody is signed in, or the token does not hold."),
    403: OpenApiResponse(Problem, description="The token's scope does not reach this."),
    404: OpenApiResponse(Problem, description="There is no such row of yours, or no such page."),
    429: OpenApiResponse(Problem, description="Too many requests; `Retry-After` says how many seconds to wait."),
}


class Documented(AutoSchema):
    """Adds to each operation the errors that it can answer with: those of the view's `errors`."""

    def get_response_serializers(self) -> Any:
        answer = super().get_response_serializers()
        told = answer if isinstance(answer, dict) else {200: answer}
        return told | {code: ERRORS[code] for code in getattr(self.view, "errors", (401, 403, 429))}


class Guarded(APIView):
    """For who may read. Who may not is counted too, by address: guessing tokens gets slower, not further."""

    permission_classes = [HasScope]
    schema = Documented()
    errors: tuple[int, ...] = (401, 403, 429)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        try:
            super().initial(request, *args, **kwargs)
        except (AuthenticationFailed, NotAuthenticated):
            self.check_throttles(request)
            raise


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """A filter that does not exist is refused: mistyped, it would silently answer with everything."""
    known = sorted(known)
    for name in request.query_params:
        if name not in PAGING and name not in known:
            there = f"there are {', '.join(known)}" if known else "there are none here"
            raise ValidationError({name: [f"There is no filter {name}; {there}."]})


class OwnRows(Guarded, ReadOnlyModelViewSet):
    """Reads the rows of the asking user, newest first: for rows that do not grow without end."""

    pagination_class = Pages
    errors = (400, 401, 403, 404, 429)
    filterset_class: type[filters.FilterSet]

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()  # the schema is being written; nobody is asking
        return rows.of(self.request.user)  # type: ignore[attr-defined]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        refuse_unknown(self.request, self.filterset_class.base_filters)
        return super().filter_queryset(queryset)


class OwnHistory(OwnRows):
    """Reads rows that grow without end: as lines, page by page through the index of each book (or bot) of the user.

    `by` is the column of their time, or "id"; `through` the column that leads to what the user owns. A page costs
    the same at any depth, and other people's rows cost nothing.
    """

    queryset: QuerySet[Any]
    lines: Lines
    by = "at"
    through = "book"
    pagination_class: type[Pages] = TimedPages

    def owners(self, chosen: Mapping[str, Any]) -> QuerySet[Any]:
        """The user's books, or the one that the filters have chosen."""
        books = Book.objects.of(self.request.user)  # type: ignore[arg-type]
        return books.filter(pk=chosen["book"].pk) if chosen.get("book") else books

    def told(self, lines: Lines, rows: Any) -> list[Line]:
        """Reads `rows` as lines; whoever has more to tell of them adds it here."""
        return lines.of(rows)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rows, chosen = self.filtered(request)
        owners = self.owners(chosen)
        pages: Any = self.paginator
        page = pages.cut(
            request,
            lambda place, count: self.told(
                self.lines, newest(rows, place, count, by=self.by, through=self.through, owners=owners)
            ),
            lambda line: Place(line["id"], None if self.by == "id" else datetime.fromisoformat(line[self.by])),
        )
        return pages.get_paginated_response(page)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        lines = getattr(self, "whole", self.lines)
        try:
            found = self.told(lines, self.get_queryset().filter(pk=kwargs["pk"]))
        except (TypeError, ValueError):
            found = []
        if not found:
            raise NotFound(f"You have no {self.queryset.model._meta.verbose_name} with the id {kwargs['pk']}.")
        return Response(found[0])

    def filtered(self, request: Request) -> tuple[QuerySet[Any], Mapping[str, Any]]:
        """Everybody's rows as the filters leave them, and what these have chosen: the owners are added to it."""
        rows = self.queryset.all()
        refuse_unknown(request, self.filterset_class.base_filters)
        if not set(request.query_params) - PAGING:
            return rows, {}  # a set of filters takes longer to make than a page
        filterset = self.filterset_class(request.query_params, rows, request=request)
        if not filterset.is_valid():
            raise translate_validation(filterset.errors)
        return filterset.qs, filterset.form.cleaned_data


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
