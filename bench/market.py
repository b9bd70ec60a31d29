"""A market with any number of house bots, for measuring: in the process that calls, on the database of its place."""

import asyncio
import os
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import django

DEPOSIT = Decimal(10_000)
HOUSE = ("house:trend", "house:mean_reversion", "house:buy_and_hold", "house:random")


def start() -> None:
    """Make this process one of the product's, with a loop for announcements as a server of pages has."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    django.setup()
    from markets import broadcast

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    broadcast.attach(loop)


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def simulated() -> Any:
    """A prepared and running simulated feed that goes as fast as it can, with the demo's user and policies."""
    from markets import stream
    from markets.models import Feed, FeedKind
    from tradingsite import demo

    feed = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, speed=1e9))
    Feed.objects.filter(pk=feed.pk).update(running=True)
    feed.refresh_from_db()
    demo.ensure(feed)
    return feed


def the_feed() -> Any:
    """The only feed of this place."""
    from markets.models import Feed

    return Feed.objects.get()


def add_bots(feed: Any, count: int, deciders: Sequence[str]) -> None:
    """Bots with a paper account each, in turn with these deciders; the demo's own bots are paused."""
    from bots.models import Bot, BotStatus
    from ledger import accounts

    pattern = Bot.objects.select_related("owner", "policy").first()
    assert pattern is not None
    instruments = list(pattern.instruments.all())
    Bot.objects.update(status=BotStatus.PAUSED)
    for number in range(count):
        name, at = f"Bench {number}", feed.market_now
        account = accounts.open_paper_account(owner=pattern.owner, name=name, feed=feed, deposit=DEPOSIT, at=at)
        book = accounts.open_book(account=account, name=name, capital=DEPOSIT, at=at)
        bot = Bot.objects.create(
            owner=pattern.owner, name=name, book=book, policy=pattern.policy, decider=deciders[number % len(deciders)],
            seed=number, status=BotStatus.RUNNING, next_run_at=at, monogram="BE",
        )  # fmt: skip
        bot.instruments.set(instruments)


def run_inline(cycle_id: int) -> None:
    """What a worker would do, at once."""
    from bots import cycle

    cycle.run(cycle_id=cycle_id)


def memory(process: int | str = "self") -> float:
    """Proportional share of memory of a process in MB: what it has for itself, and its part of what is shared."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_seconds(process: int) -> float:
    """CPU time of a process and of its threads so far, user and system."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
