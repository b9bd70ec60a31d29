"""Decides when bots run. On a lock-step feed it also drives the market: no instant begins before all work has ended.

Beat fires `tick` every second in every mode. The rows are the truth: due bots are claimed in the transaction that
queues their cycles, so a lost message is sent again and a doubled one finds nothing to do.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from time import monotonic, sleep

import structlog
from django.db import transaction
from django.db.models import F, Q

from ledger import guardian, reconciliation, reports, valuation
from ledger.models import Account, Book
from markets import stream
from markets.driving import lease, renew
from markets.feeds import clock
from markets.models import Feed

from . import exits
from .cycle import DEADLINE
from .models import Bot, Cycle, CycleStatus

Enqueue = Callable[[int], None]
log = structlog.get_logger(__name__)


def tick(*, enqueue: Enqueue, seconds: float) -> int:
    """Work for about `seconds` of wall time on every running feed. Returns the instants driven and cycles queued."""
    until = monotonic() + seconds
    return sum(drive(feed=feed, enqueue=enqueue, until=until) for feed in Feed.objects.running().order_by("id"))


def drive(*, feed: Feed, enqueue: Enqueue, until: float) -> int:
    """Drive one lock-step feed instant after instant until the monotonic time `until`; 0 where another process does."""
    driven = 0
    with lease(feed) as held:
        while held and not feed.finished and monotonic() < until:
            wait = clock.wait_for_next(feed, datetime.now(UTC))
            if monotonic() + wait > until:
                sleep(max(0.0, until - monotonic()))
                break
            sleep(wait)
            instant(feed=feed, enqueue=enqueue)
            driven += 1
            held = renew(feed)
    return driven


def instant(*, feed: Feed, enqueue: Enqueue) -> None:
    """All work due at the feed's present instant, then one step of its market.

    The step commits the next instant with its opens already filled; a crash anywhere resumes here, and every part
    finds what it has done before.
    """
    settle(feed)
    if run_due(feed=feed, enqueue=enqueue):
        settle(feed)
    valuation.record(feed=feed, now=clock.now(feed))
    stream.step(feed.pk, wall=clock.due(feed, datetime.now(UTC)))
    feed.refresh_from_db()


def settle(feed: Feed) -> None:
    """Book what the venue has reported, then enforce every plan."""
    now = clock.now(feed)
    reports.collect_feed(feed=feed, now=now)
    guardian.sweep(feed=feed, now=now)
    exits.sweep(feed=feed, now=now)


def run_due(*, feed: Feed, enqueue: Enqueue) -> int:
    """Queue the cycles due now and wait until each has ended, one way or another. Returns how many ran."""
    claim_due(feed=feed, now=clock.now(feed))
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed, slot__lte=feed.market_now)
    waiting = dict(pending.order_by("bot_id").values_list("pk", "status"))
    for cycle_id, status in waiting.items():
        if status == CycleStatus.QUEUED:
            enqueue(cycle_id)
    pause = 0.002
    while waiting and pending.exists():
        sleep(pause)
        pause = min(pause * 1.5, 0.05)
        end_overdue(feed)
        renew(feed)
    return len(waiting)


@transaction.atomic
def claim_due(*, feed: Feed, now: datetime) -> list[Cycle]:
    """Move the due bots to their next slot and queue a cycle for each, in one transaction.

    A bot that is late runs once, for its latest slot; the slots before are counted as skipped.
    """
    due = Bot.objects.on(feed).due(now).select_for_update(of=("self",)).select_related("book").order_by("pk")
    bots = list(due)
    if not bots:
        return []
    asked = set(
        Cycle.objects.filter(bot__in=bots, slot__gte=min(_slot(b, now) for b in bots)).values_list("bot", "slot")
    )
    wall = datetime.now(UTC)
    cycles = [
        Cycle(bot=bot, slot=_slot(bot, now), queued_at=wall) for bot in bots if (bot.pk, _slot(bot, now)) not in asked
    ]
    Cycle.objects.bulk_create(cycles)
    _chain(cycles)
    for bot in bots:
        slot = _slot(bot, now)
        assert bot.next_run_at is not None
        bot.skipped_slots += int((slot - bot.next_run_at) / bot.interval)
        bot.next_run_at = slot + bot.interval
    Bot.objects.bulk_update(bots, ["next_run_at", "skipped_slots"])
    return cycles


def _slot(bot: Bot, now: datetime) -> datetime:
    """The bot's latest slot at or before `now`."""
    assert bot.next_run_at is not None
    return bot.next_run_at + (now - bot.next_run_at) // bot.interval * bot.interval


def _chain(cycles: Sequence[Cycle]) -> None:
    """In lock-step the bots of one account commit in order: each waits for the one before."""
    last: dict[int | None, Cycle] = {}
    chained = []
    for cycle in cycles:
        account = cycle.bot.book.account_id
        if account in last:
            cycle.waits_for = last[account]
            chained.append(cycle)
        last[account] = cycle
    if chained:
        Cycle.objects.bulk_update(chained, ["waits_for"])


def end_overdue(feed: Feed) -> int:
    """End cycles whose deadline has passed, so that the market goes on; their fence shuts them out."""
    wall = datetime.now(UTC)
    overdue = Cycle.objects.filter(bot__book__account__feed=feed).filter(
        Q(status=CycleStatus.RUNNING, deadline_at__lt=wall)
        | Q(status=CycleStatus.QUEUED, queued_at__lt=wall - DEADLINE)
    )
    return _end(overdue.values_list("pk", flat=True), CycleStatus.FAILED, "The deadline passed.")


def recover(*, feed: Feed) -> int:
    """After a dead process: end its cycles, free its leases, look up its orders, compare its accounts.

    Returns the number of cycles ended. Call it only where no other process can be working on the feed.
    """
    running = Cycle.objects.filter(bot__book__account__feed=feed, status=CycleStatus.RUNNING)
    ended = _end(running.values_list("pk", flat=True), CycleStatus.INTERRUPTED, "The process ended during this cycle.")
    Feed.objects.filter(pk=feed.pk).update(lease_until=None, lease_holder="")
    accounts = list(Account.objects.on(feed).select_related("feed").order_by("pk"))
    for account in accounts:
        reports.resolve(account=account, now=clock.now(feed))
    guardian.sweep(feed=feed, now=clock.now(feed))
    for account in accounts:
        reconciliation.check(account=account, wall=datetime.now(UTC))
    return ended


def _end(cycle_ids: Iterable[int], status: CycleStatus, why: str) -> int:
    ids = list(cycle_ids)
    if not ids:
        return 0
    with transaction.atomic():
        ended = Cycle.objects.pending().filter(pk__in=ids).update(status=status, error=why, ended_at=datetime.now(UTC))
        Book.objects.filter(bot__cycles__in=ids).update(fence=F("fence") + 1, lease_until=None)
    log.warning("cycles_ended", cycles=ids, why=why)
    return ended
