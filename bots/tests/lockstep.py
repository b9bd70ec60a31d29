"""A small market for tests: a simulated feed with the demo's bots, driven instant by instant in this process."""

from datetime import timedelta

from bots import cycle, dispatch
from ledger.models import Trade
from markets import history, stream
from markets.models import Feed, FeedKind
from tradingsite import demo


def inline(cycle_id: int) -> None:
    """What a worker would do, at once."""
    cycle.run(cycle_id=cycle_id, deadline=timedelta(minutes=5))


def market(*, seed: int = 7, fresh: bool = False) -> Feed:
    """A prepared, running simulated feed with the four demo bots."""
    history.forget()
    feed = stream.ensure_feed(kind=FeedKind.SIMULATED, seed=seed, speed=1e6, fresh=fresh)
    if feed.market_now is None:
        feed = stream.prepare(feed)
    Feed.objects.filter(pk=feed.pk).update(running=True)
    feed.refresh_from_db()
    demo.ensure(feed)
    return feed


def drive(feed: Feed, instants: int) -> None:
    for _ in range(instants):
        dispatch.instant(feed=feed, enqueue=inline)


def trades(feed: Feed) -> list[tuple[object, ...]]:
    """Every trade of a feed, with what must be the same in a second run."""
    rows = Trade.objects.filter(account__feed=feed).order_by("account__name", "id")
    columns = ("account__name", "at", "instrument__symbol", "side", "quantity", "price", "fee", "realised")
    return list(rows.values_list(*columns))
