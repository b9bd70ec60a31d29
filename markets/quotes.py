"""The newest price of each instrument on each feed: read in one statement, written in one statement.

Only the driver of a feed writes here. A quote is as old as its `at` says; nothing here makes it look younger.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache, reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from .domain.snapshot import QuoteView
from .models import Feed, Instrument, Quote
from .prepared import Given, Prepared

_FIELDS = tuple(QuoteView.__dataclass_fields__)
_WRITTEN = (*_FIELDS, "day_open")


def views(feed: Feed, instruments: Iterable[Instrument]) -> dict[str, QuoteView]:
    """The quotes of these instruments on the feed, by symbol; an instrument without a price is absent."""
    symbols = {instrument.pk: instrument.symbol for instrument in instruments}
    if not symbols:
        return {}
    rows = _some(len(symbols))(feed=feed.pk, **{f"key{n}": pk for n, pk in enumerate(symbols)})
    return {symbols[pk]: QuoteView(*values) for pk, *values in rows}


def newest(feed: Feed) -> dict[int, QuoteView]:
    """All quotes of the feed, by instrument id."""
    rows = Quote.objects.filter(feed=feed).values_list("instrument", *_FIELDS)
    return {pk: QuoteView(*values) for pk, *values in rows}


@cache
def _some(count: int) -> Prepared[tuple[Any, ...]]:
    """The read of the quotes of `count` instruments."""

    def read(feed: Given, **keys: Given) -> QuerySet[Quote, tuple[Any, ...]]:
        asked = reduce(or_, (Q(instrument=key) for key in keys.values()))
        return Quote.objects.filter(asked, feed=feed).values_list("instrument", *_FIELDS)

    return Prepared(read, "feed", *(f"key{n}" for n in range(count)))


def write(*, feed: Feed, quotes: Mapping[int, QuoteView], day_opens: Mapping[int, Decimal] | None = None) -> None:
    """Make these the newest quotes of the feed, by instrument id. `day_opens` are prices 24 hours before."""
    opens = day_opens or {}
    rows = [
        Quote(
            feed=feed,
            instrument_id=pk,
            day_open=opens.get(pk),
            **{name: getattr(view, name) for name in _FIELDS},
        )
        for pk, view in quotes.items()
    ]
    if rows:
        Quote.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["feed", "instrument"], update_fields=_WRITTEN
        )
