"""The guardian's own timer. It sweeps feeds on the wall clock; lock-step feeds call the guardian between instants.

It reads what venues report, looks up orders of unknown fate, compares accounts, enforces every plan, and writes the
alerts. It needs the database and the venues and nothing else, and beats its heart into the database every round, so
that pages of any process can tell a silent guardian from a quiet market.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from django.db import close_old_connections
from django.db.models import Exists, F, OuterRef, Q

from markets import driving
from markets.feeds import clock
from markets.models import Feed, FeedKind

from . import alerts, guardian, heartbeats, live_hints, live_rounds, reconciliation, reports, repricing
from .models import Account, AccountKind, Discrepancy, Outcome

ROUND_SECONDS = 2.0
COMPARE_EVERY = timedelta(minutes=1)
AGAIN_AFTER = timedelta(seconds=10)  # what does not agree is looked at again soon: lists of a venue may lag
ALERTS_EVERY = timedelta(seconds=4)
LOCK_STEP_PATIENCE = 2.0
log = structlog.get_logger(__name__)


def run(ended: threading.Event) -> None:
    """Sweep until `ended`; a failing round is logged and the next one comes all the same.

    Whatever happened while nobody looked is found first: the first round compares every live account.
    """
    attempt("first comparison", lambda: ask_all(datetime.now(UTC)))
    listeners = live_hints.Listeners()
    while not ended.wait(ROUND_SECONDS):
        attempt("private streams", lambda: listeners.follow(live_accounts()))
        attempt("round", partial(one_round, datetime.now(UTC)))
        close_old_connections()
    attempt("private streams", listeners.stop)


def live_accounts() -> list[Account]:
    """The live accounts of running feeds."""
    live = Account.objects.kept().filter(kind=AccountKind.LIVE, feed__kind=FeedKind.LIVE, feed__running=True)
    return list(live.select_related("feed").order_by("pk"))


def ask_all(now: datetime) -> None:
    """Have every live account of a running feed compared at the next round."""
    live = Account.objects.kept().filter(kind=AccountKind.LIVE, feed__running=True)
    live.update(compare_asked_at=now)


def attempt(what: str, work: Callable[[], object]) -> None:
    """Do it; whatever goes wrong is logged, and everything else goes on."""
    try:
        work()
    except Exception:  # The guardian outlives whatever goes wrong.
        log.exception("guardian_failed", what=what)


def one_round(now: datetime) -> None:
    """Look after every running feed on the wall clock, compare what is due, then beat."""
    live, compared = live_accounts(), due(now)
    looked_after = {account.pk for account in live}
    live_rounds.one_round(accounts=live, due={account.pk for account in compared}, now=now)
    for feed in Feed.objects.running().filter(kind=FeedKind.LIVE):
        attempt("paper reports", partial(reports.collect_feed, feed=feed, now=now))
        attempt("sweep", partial(guardian.sweep, feed=feed, now=now, but=looked_after))
        attempt("limits that wait", partial(repricing.sweep, feed=feed, now=now, but=looked_after))
    for account in compared:
        if account.pk not in looked_after:
            attempt(f"comparison of account {account.pk}", partial(compare, account, now))
    if now >= _told.at + ALERTS_EVERY:
        attempt("alerts", partial(alerts.refresh, wall=now))
        _told.at = now
    heartbeats.beat(name=heartbeats.GUARDIAN, now=now)


class _Told:
    """When alerts were last written by this process; the rows themselves are the truth."""

    at = datetime.min.replace(tzinfo=UTC)


_told = _Told()


def due(now: datetime) -> list[Account]:
    """Accounts that somebody asked to have compared, and those on live feeds whose minute is over."""
    asked = Q(compare_asked_at__isnull=False)
    old = Q(compared_at__isnull=True) | Q(compared_at__lte=now - COMPARE_EVERY)
    open_rows = Discrepancy.objects.standing().filter(account=OuterRef("pk"), outcome=Outcome.OPEN)
    doubt = Exists(open_rows) & Q(compared_at__lte=now - AGAIN_AFTER)
    live = Q(feed__kind=FeedKind.LIVE, feed__running=True)
    rows = Account.objects.kept().filter(asked | (live & (old | doubt))).select_related("feed")
    return list(rows.order_by(F("compared_at").asc(nulls_first=True))[:50])


def compare(account: Account, now: datetime) -> None:
    """Compare one account. A lock-step market is held meanwhile; where its driver does not pause, it is left asked."""
    if not account.feed.lock_step:
        reconciliation.check(account=account, wall=now, at_once=False)
        return
    try:
        with driving.held(account.feed, LOCK_STEP_PATIENCE):
            market = clock.now(account.feed)
            reports.resolve(account=account, now=market)
            guardian.sweep(feed=account.feed, now=market)
            reconciliation.check(account=account, wall=now)
    except driving.Busy:
        log.info("comparison_waits", account=account.pk)
