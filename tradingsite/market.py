"""Chooses the feed that this process runs and prepares it. Refuses what cannot run, in one sentence."""

from collections.abc import Callable
from datetime import UTC, datetime

from django.db import transaction

from markets import stream
from markets.live import opening
from markets.models import Candle, Feed, FeedKind, Instrument
from tradingsite.embedded import CannotStart

LOCK_STEP = (FeedKind.SIMULATED, FeedKind.REPLAY)
# What this page's commands take, said where another name was given.
INSTEAD = "Start with --feed simulated, or with --feed replay where candles are stored."


def stored_exchange() -> str:
    """The exchange whose candles can be replayed where only one has any. Raises NotPossible."""
    kept = Candle.objects.values("instrument")
    listed = Instrument.objects.filter(pk__in=kept).exclude(exchange__startswith="simulated-")
    exchanges = sorted(set(listed.values_list("exchange", flat=True)))
    if not exchanges:
        raise stream.NotPossible("No candles are stored to replay: import some with `manage.py import_candles FILE`.")
    if len(exchanges) > 1:
        raise stream.NotPossible(f"Choose whose candles to replay with --exchange: {', '.join(exchanges)}.")
    return exchanges[0]


def choose(
    *,
    kind: str,
    exchange: str | None,
    seed: int,
    speed: float | None,
    starts_at: datetime | None,
    ends_at: datetime | None,
    fresh: bool,
    say: Callable[[str], None],
) -> Feed:
    """The feed of these options, prepared and the only one running. A `kind` that is neither simulated nor replay names
    a live exchange. Raises CannotStart.
    """
    if speed is not None and speed <= 0:
        raise CannotStart(f"The speed must be above zero, not {speed:g}.")
    try:
        if kind not in LOCK_STEP:
            feed = live(exchange=kind, fresh=fresh, say=say)
        else:
            feed = stream.ensure_feed(
                kind=FeedKind(kind),
                exchange=exchange or (stored_exchange() if kind == FeedKind.REPLAY else ""),
                seed=seed,
                speed=speed,
                starts_at=starts_at,
                ends_at=ends_at,
                fresh=fresh,
            )
        if feed.lock_step and feed.market_now is None:
            say("Preparing the market (once).")
            feed = stream.prepare(feed)
    except stream.NotPossible as problem:
        raise CannotStart(str(problem)) from None
    with transaction.atomic():
        Feed.objects.exclude(pk=feed.pk).update(running=False)
        Feed.objects.filter(pk=feed.pk).update(running=True)
    feed.refresh_from_db()
    return feed


def live(*, exchange: str, fresh: bool, say: Callable[[str], None]) -> Feed:
    """The live feed of an exchange, asked before anything else is done. Raises NotPossible with what to do instead."""
    say(f"Asking {exchange} for its instruments and prices.")
    try:
        return opening.open_market(exchange=exchange, fresh=fresh, now=datetime.now(UTC))
    except stream.NotPossible as problem:
        raise stream.NotPossible(f"{problem} {INSTEAD}") from None
