"""Tells the markets what the bots of a live feed need: their instruments and timeframes, and what is held.

Without it nothing is fetched. Funding and stops need prices also of what no bot trades any more.
"""

from collections.abc import Iterable
from datetime import datetime

from ledger.models import Order, Position
from markets import comovement, watching
from markets.models import Feed

from .exits import standing
from .models import Bot, BotStatus


def renew(*, feed: Feed, now: datetime) -> int:
    """Keep what running bots and open positions need coming. Gives the number of series and prices asked for."""
    wanted = {*_of_bots(feed), *_held(feed), *_conditions(feed)}
    watching.watch(wanted=wanted, now=now)
    return len(wanted)


def _of_bots(feed: Feed) -> Iterable[tuple[int, str]]:
    """The timeframes of each running bot, and the hours that tell how its instruments move together."""
    bots = Bot.objects.on(feed).filter(status=BotStatus.RUNNING).prefetch_related("instruments")
    for bot in bots:
        for instrument in bot.instruments.all():
            yield instrument.pk, ""
            yield instrument.pk, comovement.TIMEFRAME
            yield from ((instrument.pk, timeframe) for timeframe in bot.timeframes)


def _held(feed: Feed) -> Iterable[tuple[int, str]]:
    positions = Position.objects.current().filter(account__feed=feed).values_list("instrument", flat=True)
    orders = Order.objects.live().filter(account__feed=feed).values_list("instrument", flat=True)
    return ((pk, "") for pk in {*positions, *orders})


def _conditions(feed: Feed) -> Iterable[tuple[int, str]]:
    """What invalidations of open positions look at, also where their bot has been stopped."""
    conditions = standing(Position.objects.open().filter(account__feed=feed))
    return ((one.instrument, one.condition.timeframe) for one in conditions)
