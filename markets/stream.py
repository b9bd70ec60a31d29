"""Drives a lock-step feed from one instant to the next. The only writer of market time.

One step is one transaction: the rest of the candle at the paper venue, the candle itself, the next opens, what
they trigger, and funding. So a crash anywhere leaves the instant before, complete, and stepping again gives
the same market.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from . import broadcast, history, quotes
from .domain.candles import TIMEFRAMES, Candles, milliseconds, resample
from .domain.rounding import ZERO
from .domain.snapshot import QuoteView
from .domain.venue_state import Bar
from .exchanges import paper_market
from .feeds.base import LockStepFeed, Prices
from .feeds.registry import source
from .models import Feed, FundingRate
from .preparation import COARSER, NotPossible, day_opens, ensure_feed, prepare

__all__ = ["NotPossible", "StepResult", "ensure_feed", "prepare", "step"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """`at` is the market time now; `stepped` is False where the feed had ended already."""

    feed_id: int
    at: datetime
    stepped: bool
    finished: bool
    candles: int = 0
    funding: int = 0


@transaction.atomic
def step(feed_id: int, *, wall: datetime | None = None, since: datetime | None = None) -> StepResult:
    """Take a prepared lock-step feed to its next instant. `wall` is the wall time, for the pace.

    `since` is the instant that the caller has finished: a driver that slept while another stepped does nothing.
    The number of statements does not depend on accounts, orders or positions. Raises ValueError for a feed
    that is live or not prepared.
    """
    feed = Feed.objects.select_for_update().get(pk=feed_id)
    if feed.market_now is None or not feed.lock_step:
        raise ValueError(f"The feed {feed.name} cannot be stepped: it is live or not prepared.")
    if since is not None and feed.market_now != since:
        return StepResult(feed.pk, feed.market_now, stepped=False, finished=feed.finished)
    prices, start = source(feed), feed.market_now
    if feed.finished or prices.ended(start):
        return _ended(feed, start)
    at = start + timedelta(seconds=feed.step_seconds)

    known = quotes.newest(feed)
    bars = prices.bars(start, {pk: quote.last for pk, quote in known.items()})
    if prices.generates:
        _keep(prices, bars, start, at)
    opens = prices.opens(at, {pk: bar.close for pk, bar in bars.items()})
    rates = prices.funding(at)
    now = _quotes(prices, known, bars, opens, rates, at)
    quotes.write(feed=feed, quotes=now, day_opens=day_opens(prices, at))

    # Whoever trades at this instant reads the time from the feed.
    feed.market_now, feed.finished, feed.stepped_at = at, prices.ended(at), wall or timezone.now()
    feed.save(update_fields=["market_now", "finished", "stepped_at"])
    due = _funding(prices, {**known, **now}, rates, at)
    paper_market.drive(feed, paper_market.rest(bars, at), paper_market.opens(now, at), paper_market.funding(due, at))
    broadcast.announce(f"feed-{feed_id}", kind="instant", feed=feed_id)
    return StepResult(feed_id, at, True, feed.finished, len(bars), len(rates))


def _ended(feed: Feed, at: datetime) -> StepResult:
    if not feed.finished:
        feed.finished = True
        feed.save(update_fields=["finished"])
    return StepResult(feed.pk, at, stepped=False, finished=True)


def _quotes(
    prices: LockStepFeed,
    known: Mapping[int, QuoteView],
    bars: Mapping[int, Bar],
    opens: Prices,
    rates: Prices,
    at: datetime,
) -> dict[int, QuoteView]:
    """New quotes for the instruments that have a price at `at`; what a candle does not tell stays as it was."""
    found = {}
    for instrument in prices.instruments:
        if (price := opens.get(instrument.pk)) is None:
            continue
        before, bar = known.get(instrument.pk), bars.get(instrument.pk)
        liquidity = bar.liquidity if bar else before.liquidity if before else ZERO
        rate = rates.get(instrument.pk, before.funding_rate if before else None)
        found[instrument.pk] = QuoteView.around(
            instrument.rules, price, at, liquidity, rate, prices.next_funding(instrument, at)
        )
    return found


def _funding(
    prices: LockStepFeed, known: Mapping[int, QuoteView], rates: Prices, at: datetime
) -> dict[int, tuple[Decimal, Decimal]]:
    """Rate and mark of the instruments whose funding is due; one that never had a price has no position either."""
    if prices.generates and rates:
        FundingRate.objects.bulk_create(
            [FundingRate(instrument_id=pk, at=at, rate=rate) for pk, rate in rates.items()],
            ignore_conflicts=True,
        )
    return {pk: (rate, known[pk].mark) for pk, rate in rates.items() if pk in known}


def _keep(prices: LockStepFeed, bars: Mapping[int, Bar], start: datetime, at: datetime) -> None:
    """Store the candles that ended at `at`, and the coarser ones that are complete with them."""
    opened, end = milliseconds(start), milliseconds(at)
    history.append(
        candles={
            (pk, prices.timeframe): Candles.of(
                [(opened, *map(float, (bar.open, bar.high, bar.low, bar.close, bar.volume)))]
            )
            for pk, bar in bars.items()
        }
    )
    complete = [timeframe for timeframe in COARSER if end % TIMEFRAMES[timeframe] == 0]
    if not complete:
        return
    base, longest = TIMEFRAMES[prices.timeframe], max(TIMEFRAMES[timeframe] for timeframe in complete)
    finer = history.read(prices.instruments, prices.timeframe, end - longest, opened)
    history.append(
        candles={
            (pk, timeframe): resample(candles[candles.time >= end - TIMEFRAMES[timeframe]], base, TIMEFRAMES[timeframe])
            for pk, candles in finer.items()
            for timeframe in complete
        }
    )
