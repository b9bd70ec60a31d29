"""What happened, newest first: one stream of all that a user's bots and books did. Read only.

Every kind of event is read along its own index, no further than a page can need, and the streams are merged by
(time, kind, id). So a page takes the same number of statements at any depth, with any length of history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from ledger.keyset import BEYOND, Place, newest
from ledger.models import Account, Book, TradingState, User

from .diary_sources import SOURCES, Entry, Event, Kind, Names
from .models import Bot

RANK = {kind: rank for rank, kind in enumerate(Kind.values)}

__all__ = ["Asked", "Entry", "Kind", "entries"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose diary, and which part of it. `bot` and `account` are the user's own; `until` is not included."""

    user: User
    bot: Bot | None = None
    account: Account | None = None
    kinds: Sequence[str] = tuple(Kind.values)
    since: datetime | None = None
    until: datetime | None = None

    @property
    def owners(self) -> Mapping[str, QuerySet[Any]]:
        """Whose rows belong in it, by the column that leads there."""
        books = Book.objects.of(self.user)
        if self.bot is not None:
            books = books.filter(pk=self.bot.book_id)
        if self.account is not None:
            books = books.filter(account=self.account)
        return {"book": books, "bot": Bot.objects.of(self.user).filter(book__in=books)}


def entries(asked: Asked, place: Place | None, count: int) -> list[Entry]:
    """The `count` entries next to `place`, in reading order."""
    owners = asked.owners
    events = [event for kind in asked.kinds for event in _of_kind(kind, asked, owners, place, count)]
    back = place is not None and place.back
    events.sort(key=lambda event: (event.at, RANK[event.kind], event.id), reverse=not back)
    shown = events[:count]
    names = Names.of(owners["book"], [event.id for event in shown if event.kind == Kind.DECISION])
    return [SOURCES[event.kind].tell(names, event) for event in shown]


def _of_kind(
    kind: str, asked: Asked, owners: Mapping[str, QuerySet[Any]], place: Place | None, count: int
) -> list[Event]:
    source = SOURCES[kind]
    bounds = {f"{source.by}__gte": asked.since, f"{source.by}__lt": asked.until}
    rows = source.rows().filter(**{name: at for name, at in bounds.items() if at is not None})
    beside = _beside(kind, place)
    if source.through:
        rows = newest(rows, beside, count, by=source.by, through=source.through, owners=owners[source.through])
    else:
        rows = newest(_states(rows, asked, owners["book"]), beside, count, by=source.by)
    columns = ("id", source.by, *source.columns)
    return [
        Event(kind, pk, at, dict(zip(columns[2:], rest, strict=True))) for pk, at, *rest in rows.values_list(*columns)
    ]


def _states(rows: QuerySet[TradingState], asked: Asked, books: QuerySet[Book]) -> QuerySet[TradingState]:
    """Changes that concern these books: people make them, so they stay few."""
    scopes = ["system"]
    for book, account in books.values_list("pk", "account"):
        scopes += [f"book:{book}", f"account:{account}"]
    return rows.filter(scope__in=set(scopes))


def _beside(kind: str, place: Place | None) -> Place | None:
    """The place in a stream of one kind that corresponds to a place in the merged one.

    Of what happened at the same time, kinds of lower rank come later in reading order (newest first), all of them.
    """
    if place is None or kind == place.kind:
        return place
    return replace(place, id=BEYOND if RANK[kind] < RANK[place.kind] else 0)
