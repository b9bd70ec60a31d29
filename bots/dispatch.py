"""Decides when bots run. On a lock-step feed it also drives the market: no instant begins before all work has ended.
What is due on a live feed is in `live_dispatch`.

Beat fires `tick` every second in every mode. The rows are the truth: a message that was lost is sent again, a doubled
one finds nothing to do, and a broker that does not answer costs slots, but never the market.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import monotonic, sleep

import structlog
from django.db import transaction
from django.db.models import F, Q

from ledger import guardian, heartbeats, reconciliation, reports, valuation
from ledger.models import Account, AccountKind, Book
from markets import stream
from markets.driving import lease, renew
from markets.feeds import clock
from markets.models import Feed, FeedKind

from . import exits
from .claiming import claim_due
from .cycle import DEADLINE
from .models import Cycle, CycleStatus
from .models.cycles import CycleQuerySet

RESEND_SECONDS = 10.0
RETRY_SECONDS = 1.0
Enqueue = Callable[[int], None]
Draining = Callable[[], bool]
log = structlog.get_logger(__name__)


class NoBroker(Exception):
    """The broker takes no messages now. What was to be sent is sent again later."""


def never() -> bool:
    return False


def tick(*, enqueue: Enqueue, seconds: float, draining: Draining = never) -> int:
    """Work for about `seconds` of wall time on every running lock-step feed, or until `draining`. Returns the instants
    driven.
    """
    until = monotonic() + seconds
    heartbeats.beat(name=heartbeats.DISPATCHER, now=datetime.now(UTC))
    feeds = Feed.objects.running().exclude(kind=FeedKind.LIVE).order_by("id")
    return sum(drive(feed=feed, enqueue=enqueue, until=until, draining=draining) for feed in feeds)


def drive(*, feed: Feed, enqueue: Enqueue, until: float, draining: Draining = never) -> int:
    """Drive one lock-step feed instant after instant until the monotonic time `until`; 0 where another process does."""
    driven = 0
    with lease(feed) as held:
        if held and in_doubt(feed):
            settle(feed)
            return 0
        while held and not feed.finished and monotonic() < until and not draining():
            wait = clock.wait_for_next(feed, datetime.now(UTC))
            if monotonic() + wait > until:
                sleep(max(0.0, until - monotonic()))
                break
            sleep(wait)
            if not instant(feed=feed, enqueue=enqueue, draining=draining):
                break
            driven += 1
            held = renew(feed)
        if held and feed.finished:
            close_books(feed)
    return driven


def close_books(feed: Feed) -> None:
    """A market that has ended has no next instant: what its last candle did, and what people ask, is done here."""
    settle(feed)
    valuation.record(feed=feed, now=clock.now(feed))


def instant(*, feed: Feed, enqueue: Enqueue, draining: Draining = never) -> bool:
    """All work due at the feed's present instant, then one step of its market. False where it was left to others.

    The step commits the next instant with its opens already filled; a crash anywhere resumes here, and every part
    finds what it has done before.
    """
    settle(feed)
    ran = run_due(feed=feed, enqueue=enqueue, draining=draining)
    # The cycles took their time: who lost the lease meanwhile must not act on an instant that may have gone.
    if not renew(feed, sure=True):
        return False
    if ran != 0:
        settle(feed)
    if ran is None:
        return False
    valuation.record(feed=feed, now=clock.now(feed))
    stream.step(feed.pk, wall=clock.due(feed, datetime.now(UTC)), since=feed.market_now)
    feed.refresh_from_db(fields=["market_now", "finished", "stepped_at", "speed"])  # and never another's lease
    return True


def settle(feed: Feed) -> None:
    """Book what the venue has reported, then enforce every plan."""
    now = clock.now(feed)
    reports.collect_feed(feed=feed, now=now)
    guardian.sweep(feed=feed, now=now)
    exits.sweep(feed=feed, now=now)


def run_due(*, feed: Feed, enqueue: Enqueue, draining: Draining = never) -> int | None:
    """Queue the cycles due now and wait until each has ended, one way or another. Returns how many ran.

    None where the market must not move on: this process drains or lost its lease, or the fate of an order is open.
    Whoever drives the feed next takes the instant up again.
    """
    claimed = claim_due(feed=feed, now=clock.now(feed))
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed, slot__lte=feed.market_now)
    waiting = list(pending.values_list("pk", flat=True))
    if len(waiting) > len(claimed):  # What an earlier driver left queued has its whole time again.
        pending.filter(status=CycleStatus.QUEUED).update(queued_at=datetime.now(UTC))
    pause, send_at = 0.002, 0.0
    while waiting and pending.exists():
        if draining() or not renew(feed):
            return None
        if monotonic() >= send_at:
            taken = hand_over(pending, enqueue)
            send_at = monotonic() + (RESEND_SECONDS if taken else RETRY_SECONDS)
        sleep(pause)
        pause = min(pause * 1.5, 0.05)
        end_overdue(feed)
    broken = Cycle.objects.filter(pk__in=waiting).exclude(status=CycleStatus.DONE)
    return None if waiting and broken.exists() and in_doubt(feed) else len(waiting)


def hand_over(pending: CycleQuerySet, enqueue: Enqueue) -> bool:
    """Send a message for each cycle that nobody has begun. False where the broker did not take them all."""
    queued = pending.filter(status=CycleStatus.QUEUED).order_by("bot_id")
    try:
        for cycle_id in list(queued.values_list("pk", flat=True)):
            enqueue(cycle_id)
    except NoBroker as silent:
        log.warning("cycles_not_handed_over", reason=str(silent))
        return False
    return True


def in_doubt(feed: Feed) -> bool:
    """Look up orders that a dead process or a broken cycle left behind; whether the fate of one is still open."""
    # Live accounts are the guardian's: an exchange may take minutes to tell, and the others go on meanwhile.
    certain = Account.objects.on(feed).filter(kind=AccountKind.PAPER)
    accounts = certain.in_doubt().select_related("feed").order_by("pk")
    if not (left := list(accounts)):
        return False
    running = Cycle.objects.pending().filter(bot__book__account__feed=feed, status=CycleStatus.RUNNING)
    working = set(running.values_list("bot__book__account", flat=True))
    for account in left:
        if account.pk not in working:
            reports.resolve(account=account, now=clock.now(feed))
    return accounts.exclude(pk__in=working).exists()


def end_overdue(feed: Feed) -> int:
    """End cycles whose deadline has passed, so that the market goes on; their fence shuts them out."""
    wall = datetime.now(UTC)
    overdue = (
        Cycle.objects.pending()
        .filter(bot__book__account__feed=feed)
        .filter(
            Q(status=CycleStatus.RUNNING, deadline_at__lt=wall)
            | Q(status=CycleStatus.QUEUED, queued_at__lt=wall - DEADLINE)
        )
    )
    found = dict(overdue.values_list("pk", "status"))
    begun = {pk for pk, status in found.items() if status == CycleStatus.RUNNING}
    skipped = _end(found.keys() - begun, CycleStatus.SKIPPED, "No worker took this cycle in time.")
    return skipped + _end(begun, CycleStatus.FAILED, "The deadline passed.")


def recover(*, feed: Feed) -> int:
    """After a dead process: end its cycles, free its leases, look up its orders, compare its accounts.

    Returns the number of cycles ended. Call it only where no other process can be working on the feed.
    """
    running = Cycle.objects.pending().filter(bot__book__account__feed=feed, status=CycleStatus.RUNNING)
    ended = _end(running.values_list("pk", flat=True), CycleStatus.INTERRUPTED, "The process ended during this cycle.")
    Feed.objects.filter(pk=feed.pk).update(lease_until=None, lease_holder="")
    accounts = list(Account.objects.on(feed).kept().select_related("feed").order_by("pk"))
    for account in accounts:
        with guardian.one_account(account):
            reports.resolve(account=account, now=clock.now(feed), alone=True)
    guardian.sweep(feed=feed, now=clock.now(feed))
    for account in accounts:
        with guardian.one_account(account):
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
