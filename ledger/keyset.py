"""Long lists by key set: reading goes on beside the place of a row, so that depth costs nothing.

Rows that hang on many books (or bots) are read from each of them by its own index, no further than the page can need.
Nothing is ever counted.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.models import Model, OuterRef, Q, QuerySet, Subquery

BEYOND = 2**63 - 1  # beyond every id

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a row: its time (None in lists by id alone), its kind (in merged lists) and its id.

    A page holds what is older than its place, or what is newer where `back` is set.
    """

    id: int
    at: datetime | None = None
    kind: str = ""
    back: bool = False

    @property
    def cursor(self) -> str:
        """Opaque to clients: it may change from one version to the next."""
        parts = [self.id, self.at and self.at.isoformat(), self.kind, self.back]
        return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()

    @classmethod
    def of(cls, cursor: str, *, timed: bool, kinds: Container[str] = ("",)) -> Place:
        """The place that a cursor names. Raises ValueError for anything else, also for one of another list."""
        try:
            number, at, kind, back = json.loads(urlsafe_b64decode(cursor.encode("ascii")))
            place = cls(int(number), _utc(at) if at else None, str(kind), bool(back))
        except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as unreadable:
            raise ValueError("The cursor cannot be read.") from unreadable
        if not 0 <= place.id <= BEYOND or timed != bool(place.at) or place.kind not in kinds:
            raise ValueError("The cursor is of another list.")
        return place


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("A time of a cursor has a zone.")
    return at.astimezone(UTC)


def newest(
    rows: QuerySet[M],
    place: Place | None,
    count: int,
    *,
    by: str = "at",
    through: str = "",
    owners: QuerySet[Any] | None = None,
) -> QuerySet[M]:
    """The `count` rows next to `place`, in reading order: newest first, or oldest first where it looks back.

    `by` is the column of their time, or "id" for order by id alone. `through` is the column that leads to `owners`
    (books, bots): rows of all others are left out, by one statement more. Without owners `rows` must be few or scoped
    already.
    """
    back = place is not None and place.back
    if place is not None:
        rows = rows.filter(_beside(by, place))
    sign = "" if back else "-"
    order = [f"{sign}{by}"] if by == "id" else [f"{sign}{by}", f"{sign}id"]
    if owners is not None:
        rows = _of_owners(rows, through, owners, by, order, back, count)
    return rows.order_by(*order)[:count]


def _beside(by: str, place: Place) -> Q:
    if by == "id":
        return Q(id__gt=place.id) if place.back else Q(id__lt=place.id)
    # A range of the index, from which the place itself and its neighbours on the wrong side are taken out.
    if place.back:
        return Q(**{f"{by}__gte": place.at}) & ~Q(**{by: place.at, "id__lte": place.id})
    return Q(**{f"{by}__lte": place.at}) & ~Q(**{by: place.at, "id__gte": place.id})


def _of_owners(
    rows: QuerySet[M], through: str, owners: QuerySet[Any], by: str, order: Sequence[str], back: bool, count: int
) -> QuerySet[M]:
    """Only rows of `owners`, and of those only such as can be among the first `count` of all."""
    last = rows.filter(**{through: OuterRef("pk")}).order_by(*order).values(by)[count - 1 : count]
    edges = dict(owners.annotate(edge=Subquery(last)).values_list("pk", "edge"))
    if not edges:
        return rows.none()
    if len(edges) == 1:
        return rows.filter(**{through: next(iter(edges))})
    # Whoever has `count` rows alone leaves no room for what lies beyond the last of them.
    known = [edge for edge in edges.values() if edge is not None]
    if known:
        rows = rows.filter(**({f"{by}__lte": min(known)} if back else {f"{by}__gte": max(known)}))
    return rows.filter(**{f"{through}__in": list(edges)})
