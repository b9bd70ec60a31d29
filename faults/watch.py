"""What must hold at every instant, looked at from inside the process that drives the market, before it steps.

Each position at the venue has a live reduce-only stop of its size, and the work of the instant has ended. What does
not hold is written down for the laboratory; nothing is mended.
"""

from decimal import Decimal
from functools import wraps
from typing import Any

from .points import CONTROL

FOUND = "found"


def install() -> None:
    from markets import stream

    original = stream.step

    @wraps(original)
    def looking(feed_id: int, **given: Any) -> Any:
        for sentence in (*uncovered(feed_id), *unended(feed_id)):
            with (CONTROL / FOUND).open("a") as found:
                found.write(f"{sentence}\n")
        return original(feed_id, **given)

    stream.step = looking


def uncovered(feed_id: int) -> list[str]:
    """Positions at the venue whose live stops do not cover them, as sentences."""
    from markets.models import Feed, PaperOrder, PaperPosition

    sentences = []
    for position in PaperPosition.objects.filter(account__feed=feed_id):
        side = "sell" if position.quantity > 0 else "buy"
        stops = PaperOrder.objects.filter(account=position.account_id, instrument=position.instrument_id, live=True)
        stops = stops.filter(type="stop", reduce_only=True, side=side)
        covered = sum((stop.quantity - stop.filled for stop in stops), Decimal(0))
        if covered < abs(position.quantity):
            at = Feed.objects.get(pk=feed_id).market_now
            sentences.append(
                f"The market moved on from {at:%H:%M} with {position.quantity} of instrument "
                f"{position.instrument_id} (account {position.account_id}) and stops for {covered} only."
            )
    return sentences


def unended(feed_id: int) -> list[str]:
    """Cycles that are not over while the market moves on."""
    from bots.models import Cycle
    from markets.models import Feed

    at = Feed.objects.get(pk=feed_id).market_now
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed_id, slot__lte=at)
    return [f"The market moved on from {at:%H:%M} while cycle {cycle.pk} was {cycle.status}." for cycle in pending]
