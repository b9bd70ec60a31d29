"""What markets may forget: candles of simulated markets, and reports of the paper venue that their reader has booked.

Candles of real exchanges go only where somebody said so, by timeframe. Everything goes in small batches, each in a
transaction of its own, so that trading goes on meanwhile.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Min

from .domain import windows
from .domain.candles import TIMEFRAMES, milliseconds
from .models import Candle, Feed, FeedKind, Instrument, OpenInterest, PaperReport

# Whatever the age: what indicators are computed over, and a bit more.
NEWEST = max(600, windows.LONGEST)
DAY = TIMEFRAMES["1d"] // TIMEFRAMES["1m"]  # minutes
BATCH = 2000
INTEREST_DAYS = 30


def candles(*, days: int, dry_run: bool = False) -> int:
    """Remove simulated 1m candles older than `days` of market time, and coarser ones beyond the same number; how many.

    So each timeframe keeps as many candles as there are minutes in `days`, and never fewer than `NEWEST`.
    """
    removed = 0
    for exchange, now in _simulated():
        for instrument in Instrument.objects.filter(exchange=exchange).order_by("pk"):
            for timeframe, step in TIMEFRAMES.items():
                before = milliseconds(now) - max(NEWEST, days * DAY) * step
                removed += _older(instrument, timeframe, before, dry_run)
    return removed


def _simulated() -> Iterator[tuple[str, datetime]]:
    """Simulated exchanges with the time of the feed on them that is furthest behind, among those that may go on.

    That is the newest run of each market and period, which the next start takes up, and whatever runs now.
    """
    feeds = Feed.objects.filter(kind=FeedKind.SIMULATED).order_by("run")
    newest = {feed.stem: feed for feed in feeds}
    behind: dict[str, datetime] = {}
    for feed in feeds:
        if feed.market_now is not None and (feed.running or newest[feed.stem] == feed):
            behind[feed.exchange] = min(behind.get(feed.exchange, feed.market_now), feed.market_now)
    yield from sorted(behind.items())


def real_candles(*, days: Mapping[str, int], now: datetime, dry_run: bool = False) -> int:
    """Remove candles of exchanges that are followed live and older than the `days` of their timeframe; how many.

    A timeframe that is not named keeps all, and each keeps `NEWEST`. Nothing goes that a replay still has before it.
    `now` is wall time.
    """
    removed = 0
    live = Feed.objects.filter(kind=FeedKind.LIVE).values("exchange")
    for instrument in Instrument.objects.filter(exchange__in=live).order_by("pk"):
        behind = Feed.objects.filter(kind=FeedKind.REPLAY, exchange=instrument.exchange, finished=False)
        times = behind.values_list("market_now", flat=True)
        at = milliseconds(min(time for time in (now, *times) if time is not None))
        for timeframe, kept in days.items():
            step = TIMEFRAMES[timeframe]
            removed += _older(instrument, timeframe, at - max(NEWEST * step, kept * DAY * TIMEFRAMES["1m"]), dry_run)
    return removed


def _older(instrument: Instrument, timeframe: str, before: int, dry_run: bool) -> int:
    rows = Candle.objects.of(instrument, timeframe).between(None, before - 1)
    if dry_run:
        return rows.count()
    removed = 0
    while (first := rows.aggregate(first=Min("open_time"))["first"]) is not None:
        last = min(before, first + BATCH * TIMEFRAMES[timeframe]) - 1
        removed += Candle.objects.of(instrument, timeframe).between(first, last).delete()[0]
    return removed


def reports(*, key: UUID, until: int, before: datetime, dry_run: bool = False) -> int:
    """Remove an account's reports up to the id `until` that were made before this market time; how many.

    Whoever reads reports says how far: what is not booked yet stays, however old it is.
    """
    rows = PaperReport.objects.filter(account__key=key, id__lte=until).order_by("id")
    removed, after = 0, 0
    while batch := list(rows.filter(id__gt=after).values_list("id", "body__at")[:BATCH]):
        old = [pk for pk, at in batch if datetime.fromisoformat(at) < before]
        removed += len(old)
        if old and not dry_run:
            PaperReport.objects.filter(pk__in=old).delete()
        if len(old) < len(batch):
            break  # They came in the order of time: the rest is younger.
        after = batch[-1][0]
    return removed


def drop_old_interest(now: datetime) -> int:
    """Remove open interest older than `INTEREST_DAYS`; how many."""
    return OpenInterest.objects.filter(at__lt=now - timedelta(days=INTEREST_DAYS)).delete()[0]
