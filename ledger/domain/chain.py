"""The chain of the audit trail: each entry carries the hash of the one before, so that a change of the past shows.

Pure: it hashes and it checks. What is hashed is the text that is stored, so no database can write it otherwise.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

BEGINNING = "0" * 64


class Link(NamedTuple):
    """One entry as it is hashed. `at` is wall time; `change` is JSON."""

    at: datetime
    actor: str
    kind: str
    subject: str
    change: str

    def sealed(self, previous: str) -> str:
        """SHA-256 in hex over the entry and the hash of the one before."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        parts = json.dumps([previous, at, *self[1:]], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(parts.encode()).hexdigest()


class Stored(NamedTuple):
    number: int
    link: Link
    previous: str
    seal: str


def first_flaw(entries: Iterable[Stored]) -> tuple[int, str] | None:
    """The number of the first entry that does not fit, with one sentence; None where the chain is whole."""
    before = BEGINNING
    for entry in entries:
        if entry.previous != before:
            return entry.number, f"Entry {entry.number} does not follow the one before it: something was taken out."
        if entry.link.sealed(entry.previous) != entry.seal:
            return entry.number, f"Entry {entry.number} does not have the hash it was written with: it was changed."
        before = entry.seal
    return None
