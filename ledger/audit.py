"""The only writer of the audit trail, and its examiner. An entry is written in the transaction of what it tells of."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from .domain.chain import BEGINNING, Link, Stored, first_flaw
from .models import AuditEntry, User

_LOCK = 0x41554449  # one writer at a time on PostgreSQL; SQLite has only one anyway


@transaction.atomic
def write(
    *, kind: str, subject: str, change: Mapping[str, Any], by: User | None, now: datetime | None = None
) -> AuditEntry:
    """Append an entry. `change` says before and after in plain values; never a secret. `now` is wall time.

    It holds the chain until the caller's transaction ends: write it last.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = AuditEntry.objects.order_by("-id").values_list("seal", flat=True).first() or BEGINNING
    told = json.dumps(change, default=str, ensure_ascii=False, sort_keys=True)
    link = Link(now or datetime.now(UTC), by.get_username() if by else "", kind, subject[:200], told)
    return AuditEntry.objects.create(**link._asdict(), previous=last, seal=link.sealed(last))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str | None]]:
    """What differs between two states of a row: its name with the old and the new value, as text."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: [_text(before.get(name)), _text(after[name])] for name in names}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def flaw() -> tuple[int, str] | None:
    """The first entry that was changed, or before which something was taken out; None where all is as written."""
    return first_flaw(_stored())


def head() -> tuple[int, str]:
    """How many entries there are, and the hash of the last: whoever notes it can tell whether the end was cut off."""
    last = AuditEntry.objects.order_by("-id").values_list("seal", flat=True).first()
    return AuditEntry.objects.count(), last or BEGINNING


def missing(seal: str) -> str:
    """A sentence where a hash noted before is not in the trail any more; nothing where it is, or none was noted."""
    there = not seal or seal == BEGINNING or AuditEntry.objects.filter(seal=seal).exists()
    return "" if there else "The hash that was noted is not in the trail: entries were cut off its end."


def _stored() -> Iterator[Stored]:
    rows = AuditEntry.objects.order_by("id").values_list("id", *Link._fields, "previous", "seal")
    for pk, *parts, previous, seal in rows.iterator(chunk_size=5000):
        yield Stored(pk, Link(*parts), previous, seal)
