"""Makes feeds and gets them ready for their first instant: instruments, history, first quotes, market time.

Preparing is one transaction and done once; a feed that has a market time is left alone. What cannot be done
is said in one sentence (`NotPossible`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max, Min

from . import history, quotes
from .domain.candles import TIMEFRAMES, Candles, instant, milliseconds, resample
from .domain.indicators import LONGEST_WARMUP
from .domain.rounding import ZERO
from .domain.snapshot import QuoteView
from .feeds import simulated
from .feeds.base import LockStepFeed
from .feeds.registry import forget, source
from .listing import ensure_instrument
from .models import Candle, Feed, FeedKind, FundingRate, Instrument

# How often a live price is expected to move; what is later than a few of these is shown as late.
LIVE_STEP_SECONDS = 5
# Built from the base candles of a feed wherever they are coarser.
COARSER = ("5m", "15m", "1h", "4h")
# How much of a simulated market's past is kept: enough for every window at the start, and for charts.
_PAST = {"1m": 1440, "5m": 864, "15m": 672, "1h": 600, "4h": 150}


class NotPossible(ValueError):
    """The feed cannot be had as asked; the message is the sentence to show."""


def ensure_feed(
    *,
    kind: str,
    exchange: str = "",
    seed: int = 7,
    speed: float | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    fresh: bool = False,
) -> Feed:
    """The feed of this kind, market and period; made at first use. `fresh` makes another run of the same.

    A replay without `starts_at` starts after the stored candles that the indicators need to warm up: those of
    the coarsest timeframe for which that takes at most half of what is stored. Raises NotPossible.
    """
    exchange = simulated.exchange(seed) if kind == FeedKind.SIMULATED else exchange
    name = _name(kind, exchange, starts_at, ends_at)
    runs = Feed.objects.filter(name=name) | Feed.objects.filter(name__startswith=f"{name} #")
    newest = runs.order_by("-run").first()
    if newest is None or fresh:
        run = newest.run + 1 if newest else 1
        period = _period(kind, exchange, starts_at, ends_at)
        made = {"kind": kind, "exchange": exchange, "seed": seed if kind == FeedKind.SIMULATED else 0, "run": run}
        newest, _ = Feed.objects.get_or_create(name=f"{name} #{run}" if run > 1 else name, defaults={**made, **period})
    if speed is not None and newest.speed != speed:
        newest.speed = speed
        newest.save(update_fields=["speed"])
    return newest


def _name(kind: str, exchange: str, starts_at: datetime | None, ends_at: datetime | None) -> str:
    name = exchange if kind == FeedKind.SIMULATED else f"{kind} {exchange}"
    since = f" from {starts_at:%Y-%m-%d %H:%M}" if starts_at else ""
    return name + since + (f" until {ends_at:%Y-%m-%d %H:%M}" if ends_at else "")


def _period(kind: str, exchange: str, starts_at: datetime | None, ends_at: datetime | None) -> dict[str, object]:
    if kind == FeedKind.LIVE:
        return {"step_seconds": LIVE_STEP_SECONDS}
    if kind == FeedKind.REPLAY:
        timeframe, first, end = _replay_period(exchange, starts_at, ends_at)
        return {"step_seconds": TIMEFRAMES[timeframe] // 1000, "starts_at": first, "ends_at": end}
    start = starts_at or simulated.START
    if start < simulated.START or start.second or start.microsecond:
        raise NotPossible(f"A simulated market starts on a full minute from {simulated.START:%Y-%m-%d} on.")
    return {"step_seconds": 60, "starts_at": start, "ends_at": ends_at}


def _replay_period(
    exchange: str, starts_at: datetime | None, ends_at: datetime | None
) -> tuple[str, datetime, datetime]:
    """Timeframe, first instant and end of a replay."""
    instruments = list(Instrument.objects.filter(exchange=exchange, active=True))
    first = milliseconds(starts_at) if starts_at else None
    last = milliseconds(ends_at) - 1 if ends_at else None
    # A day of finer candles somewhere later must not hide the coarse ones that the period begins with.
    near = first + TIMEFRAMES["1d"] if first is not None else last
    timeframe = history.finest(instruments, first, near if last is None or near is None else min(near, last))
    if timeframe is None:
        raise NotPossible(f"No candles of {exchange} are stored in that period: import some with import_candles.")
    step = TIMEFRAMES[timeframe]
    stored = Candle.objects.filter(instrument__in=instruments, timeframe=timeframe).between(first, last)
    span = stored.aggregate(first=Min("open_time"), last=Max("open_time"))
    start = span["first"] if starts_at else _after_warming_up(span["first"], span["last"])
    end = span["last"] + step
    return timeframe, instant(start), min(instant(end), ends_at or instant(end))


def _after_warming_up(first: int, last: int) -> int:
    for timeframe in ("1h", "15m", "5m", "1m"):
        needed = LONGEST_WARMUP * TIMEFRAMES[timeframe]
        if needed <= (last - first) / 2:
            return first + needed
    return first


@transaction.atomic
def prepare(feed: Feed) -> Feed:
    """Get a feed ready for its first instant; a feed that has begun, or is live, stays as it is."""
    feed = Feed.objects.select_for_update().get(pk=feed.pk)
    if not feed.lock_step or feed.market_now is not None:
        return feed
    assert feed.starts_at is not None, "ensure_feed sets the start of every lock-step feed"
    forget(feed)
    if feed.kind == FeedKind.SIMULATED:
        first = _simulated_past(feed, feed.starts_at)
    else:
        first = _stored_past(feed, feed.starts_at)
    quotes.write(feed=feed, quotes=first, day_opens=day_opens(source(feed), feed.starts_at))
    feed.market_now = feed.starts_at
    feed.save(update_fields=["market_now"])
    return feed


def day_opens(prices: LockStepFeed, at: datetime) -> dict[int, Decimal]:
    """The price of each instrument 24 hours before `at`, where a candle tells it."""
    before = milliseconds(at - timedelta(days=1))
    rules = {instrument.pk: instrument.rules for instrument in prices.instruments}
    rows = Candle.objects.filter(instrument__in=rules, timeframe=prices.timeframe, open_time=before)
    return {pk: rules[pk].price(price) for pk, price in rows.values_list("instrument", "open")}


# --- Simulated -------------------------------------------------------------------------------------------


def _simulated_past(feed: Feed, start: datetime) -> dict[int, QuoteView]:
    """Instruments and their past, made at once; gives the quotes of the first instant."""
    coins = simulated.COINS
    instruments = [ensure_instrument(exchange=feed.exchange, symbol=coin.symbol) for coin in coins]
    candles, prices = simulated.past(feed.seed, start)
    history.append(
        candles={
            (instrument.pk, timeframe): part
            for instrument, minutes in zip(instruments, candles, strict=True)
            for timeframe, part in _kept_past(minutes).items()
        }
    )
    settled, rates = simulated.last_funding(feed.seed, start)
    # What the first quotes tell is stored too, so that a backtest of the same period knows it.
    FundingRate.objects.bulk_create(
        [FundingRate(instrument=i, at=settled, rate=rate) for i, rate in zip(instruments, rates, strict=True)],
        ignore_conflicts=True,
    )
    return {
        instrument.pk: QuoteView.around(
            instrument.rules,
            price,
            start,
            Decimal(minutes.volume[-1]) * Decimal(minutes.close[-1]),
            rate,
            source(feed).next_funding(instrument, start),
        )
        for instrument, price, minutes, rate in zip(instruments, prices, candles, rates, strict=True)
    }


def _kept_past(minutes: Candles) -> Mapping[str, Candles]:
    base = TIMEFRAMES[simulated.TIMEFRAME]
    return {timeframe: resample(minutes, base, TIMEFRAMES[timeframe])[-count:] for timeframe, count in _PAST.items()}


# --- Replay ----------------------------------------------------------------------------------------------


def _stored_past(feed: Feed, start: datetime) -> dict[int, QuoteView]:
    """The coarser candles of the whole period; gives the quotes of the first instant."""
    prices = source(feed)
    end = milliseconds(feed.ends_at) - 1 if feed.ends_at else None
    history.build_timeframes(instruments=prices.instruments, timeframes=COARSER, base=prices.timeframe, last=end)
    bars = prices.bars(start - timedelta(seconds=feed.step_seconds), {})
    opens = prices.opens(start, {})
    found = {}
    for instrument in prices.instruments:
        if (known := _price_before(instrument, prices.timeframe, start, opens)) is None:
            continue
        liquidity = bars[instrument.pk].liquidity if instrument.pk in bars else ZERO
        paid = FundingRate.objects.filter(instrument=instrument, at__lte=start).order_by("-at").first()
        found[instrument.pk] = QuoteView.around(
            instrument.rules, *known, liquidity, paid.rate if paid else None, prices.next_funding(instrument, start)
        )
    return found


def _price_before(
    instrument: Instrument, timeframe: str, start: datetime, opens: Mapping[int, Decimal]
) -> tuple[Decimal, datetime] | None:
    """The open at `start`, else the last close before it with the time it was made; None without candles."""
    if instrument.pk in opens:
        return opens[instrument.pk], start
    earlier = Candle.objects.of(instrument, timeframe).between(None, milliseconds(start) - 1)
    last = earlier.order_by("-open_time").values_list("open_time", "close").first()
    if last is None:
        return None
    return instrument.rules.price(last[1]), instant(last[0] + TIMEFRAMES[timeframe])
