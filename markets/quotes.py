"""The newest price of each instrument on each feed: read in one statement, written in one statement.

Only the driver of a feed writes here. A quote is as old as its `at` says; nothing here makes it look younger.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from django.db.models import QuerySet

from .domain.snapshot import QuoteView
from .models import Feed, Instrument, Quote

_FIELDS = ("last", "bid", "ask", "mark", "at", "liquidity", "funding_rate", "next_funding_at")
_WRITTEN = (*_FIELDS, "day_open")


def views(feed: Feed, instruments: Iterable[Instrument]) -> dict[str, QuoteView]:
    """The quotes of these instruments on the feed, by symbol; an instrument without a price is absent."""
    symbols = {instrument.pk: instrument.symbol for instrument in instruments}
    found = _newest(Quote.objects.filter(feed=feed, instrument__in=symbols))
    return {symbols[pk]: view for pk, view in found.items()}


def newest(feed: Feed) -> dict[int, QuoteView]:
    """All quotes of the feed, by instrument id."""
    return _newest(Quote.objects.filter(feed=feed))


def _newest(quotes: QuerySet[Quote]) -> dict[int, QuoteView]:
    rows = quotes.values_list("instrument", *_FIELDS)
    return {pk: QuoteView(**dict(zip(_FIELDS, row, strict=True))) for pk, *row in rows}


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
