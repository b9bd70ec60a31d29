"""The statistics of a book with a long past: from nothing, and after one more position closed.

`python -m bench.statistics` measures in the place it is started in and prints one JSON object.
"""

import json
import sys
from datetime import timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from . import floor, market

ROUNDS = 5
COLUMNS = "id, closed_at, opened_at, long, realised, fees, funding, entry_value, exit_value"


def main() -> None:
    market.start()
    from bots.models import Bot

    book = Bot.objects.select_related("book__account").latest("id").book
    whole, more = [], []
    for _ in range(ROUNDS):
        from_nothing(book)
        whole.append(floor.timed(lambda: from_nothing(book)))
        one_more(book)
        more.append(floor.timed(lambda: told(book)))
    result = {"whole": median(whole), "more": median(more), "floor": median(map(read_bare, [book] * ROUNDS))}
    sys.stdout.write(json.dumps(result))


def from_nothing(book: Any) -> Any:
    from django.core.cache import cache

    cache.clear()
    return told(book)


def told(book: Any) -> Any:
    from ledger.track_record import record

    return record(book)


def one_more(book: Any) -> None:
    """The last position again, a minute later, with its entry in the journal."""
    from ledger.models import CashEntry, Position

    last = Position.objects.closed().filter(book=book).latest("closed_at")
    last.pk, last.closed_at = None, last.closed_at + timedelta(minutes=1)
    last.save(force_insert=True)
    at, ref = last.closed_at, f"bench:{last.pk}"
    CashEntry.objects.create(book=book, account=book.account, kind="realised", currency="USDT", amount=Decimal(1),
                             position=last, ref=ref, at=at)  # fmt: skip


def read_bare(book: Any) -> float:
    """The same rows through the bare driver, and nothing done with them."""
    from django.db import connection

    statement = f"SELECT {COLUMNS} FROM ledger_position WHERE book_id = {book.pk} ORDER BY closed_at, id"
    connection.ensure_connection()
    bare = connection.connection.cursor()
    milliseconds = floor.timed(lambda: bare.execute(statement).fetchall())
    bare.close()
    return milliseconds


if __name__ == "__main__":
    main()
