"""Pages of lists as the API shows them: `results`, with the addresses of `next` and `previous`.

A cursor that cannot be read is no page; a page size that cannot be meant is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from ledger.keyset import Place, newest

SIZE, MOST = 50, 500

R = TypeVar("R")


class Pages(BasePagination):
    """`results` with the addresses of `next` (older) and `previous` (newer); `cursor` and `page_size` choose."""

    timed = False
    kinds: Container[str] = ("",)  # what its rows are, where several lists are merged

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """A page of rows that are few or scoped already, by id."""
        return self.cut(
            request, lambda place, count: list(newest(queryset, place, count, by="id")), lambda row: Place(row.pk)
        )

    def cut(
        self,
        request: Request,
        read: Callable[[Place | None, int], Sequence[R]],
        place_of: Callable[[R], Place],
    ) -> list[R]:
        """The page asked for. `read` gives up to so many rows next to a place, in reading order."""
        self.request, size = request, page_size(request)
        place = self._place(request.query_params.get("cursor"))
        found = read(place, size + 1)
        rows, more = list(found[:size]), len(found) > size
        back = place is not None and place.back
        if back:
            rows.reverse()
        older, newer = (bool(rows), more) if back else (more, place is not None and bool(rows))
        self.next = place_of(rows[-1]) if older else None
        self.previous = replace(place_of(rows[0]), back=True) if newer else None
        return rows

    def _place(self, cursor: str | None) -> Place | None:
        try:
            return Place.of(cursor, timed=self.timed, kinds=self.kinds) if cursor else None
        except ValueError as unreadable:
            raise NotFound("There is no such page: its cursor cannot be read.") from unreadable

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._link(self.next), "previous": self._link(self.previous), "results": data})

    def _link(self, place: Place | None) -> str | None:
        if place is None:
            return None
        return replace_query_param(self.request.build_absolute_uri(), "cursor", place.cursor)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        def link(words: str) -> dict[str, Any]:
            return {"type": "string", "nullable": True, "format": "uri", "description": words}

        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link("The page of older rows; null at the end."),
                "previous": link(
                    "The page of newer rows; null on the first page. What has come since is on the first page when it "
                    "is asked for again, or with `since`, where there is that filter."
                ),
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        text, whole = {"type": "string"}, {"type": "integer", "minimum": 1, "maximum": MOST, "default": SIZE}
        return [
            {"name": "cursor", "in": "query", "description": "Out of `next` or `previous`.", "schema": text},
            {"name": "page_size", "in": "query", "description": "Rows in a page.", "schema": whole},
        ]


class TimedPages(Pages):
    """Pages of rows in the order of their time, and of their id where that is equal."""

    timed = True


def page_size(request: Request) -> int:
    text = request.query_params.get("page_size", str(SIZE))
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST:
        return int(text)
    raise ValidationError({"page_size": [f"A page holds 1 to {MOST} rows, not {text[:40]}."]})
