"""Counts data that was not let in, by exchange, instrument, part and reason, so that a page can show it.

Counted in memory and written now and then: a flood of bad data must not become a flood of statements.
"""

import threading
from collections import Counter
from datetime import datetime

from django.db import transaction
from django.db.models import F

from .models import RefusedData

Key = tuple[str, str, str, str]  # exchange, symbol, part, reason
_LENGTHS = (40, 60, 16, 24)
EXAMPLE_LENGTH = 200

_counts: Counter[Key] = Counter()
_examples: dict[Key, str] = {}
_lock = threading.Lock()


def count(*, exchange: str, symbol: str, part: str, reason: str, example: str = "", times: int = 1) -> None:
    """One more refusal (or `times`); `write` stores it."""
    texts = (exchange, symbol, part, reason)
    key: Key = tuple(text[:most] for text, most in zip(texts, _LENGTHS, strict=True))  # type: ignore[assignment]
    with _lock:
        _counts[key] += times
        _examples[key] = example[:EXAMPLE_LENGTH]


def write(now: datetime) -> int:
    """Store what was counted since the last time; the number of rows touched."""
    with _lock:
        counts, examples = dict(_counts), dict(_examples)
        _counts.clear()
        _examples.clear()
    for key, times in sorted(counts.items()):
        names = dict(zip(("exchange", "symbol", "part", "reason"), key, strict=True))
        with transaction.atomic():
            row, _ = RefusedData.objects.get_or_create(**names, defaults={"first_at": now, "last_at": now})
            RefusedData.objects.filter(pk=row.pk).update(
                count=F("count") + times, last_at=now, example=examples.get(key, "")
            )
    return len(counts)


def forget() -> None:
    """Drop what was counted and not written: for tests."""
    with _lock:
        _counts.clear()
        _examples.clear()
