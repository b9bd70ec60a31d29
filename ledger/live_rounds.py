"""Looks after live accounts side by side, in threads: an exchange that is slow with one does not hold up others.

Each account has its own, up to `LANES` of them, and stays there: the thread's client remembers when it looked where.
Nothing of an account is looked at twice at once here; other processes may, and every writer is made for that.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import partial

import structlog

from markets import connections

from . import guardian, live_orders, reconciliation, repricing
from .models import Account

LANES = 64  # threads, made as accounts come; with none everything is done in the caller's
PATIENCE = 2.0  # seconds for which a round waits for accounts before it goes on without them
log = structlog.get_logger(__name__)


class _Lanes:
    """Threads with a queue each. An account waits in its own at most once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._waiting: set[int] = set()
        self._working: set[int] = set()

    def submit(self, account: int, work: Callable[[], None]) -> Future[None] | None:
        """Do it in the account's thread; nothing where the account is waiting there already."""
        with self._lock:
            if account in self._waiting:
                return None
            self._waiting.add(account)
            lane = account % max(LANES, 1)
            if lane not in self._threads:
                self._threads[lane] = ThreadPoolExecutor(1, thread_name_prefix=f"accounts-{lane}")
            return self._threads[lane].submit(self._do, account, work)

    def busy(self) -> set[int]:
        with self._lock:
            return self._waiting | self._working

    def _do(self, account: int, work: Callable[[], None]) -> None:
        with self._lock:
            self._waiting.discard(account)
            self._working.add(account)
        try:
            work()
        finally:
            with self._lock:
                self._working.discard(account)
            connections.release()


_lanes = _Lanes()


def one_round(*, accounts: Iterable[Account], due: set[int], now: datetime) -> set[int]:
    """Look after each account, and compare those that are `due`. Gives those that are still being looked after."""
    if not LANES:
        for account in accounts:
            _look(account.pk, now, compare=account.pk in due)
        return set()
    work = {account.pk: partial(_look, account.pk, now, compare=account.pk in due) for account in accounts}
    begun = [future for pk, look in work.items() if (future := _lanes.submit(pk, look)) is not None]
    connections.release()
    wait(begun, timeout=PATIENCE)
    return _lanes.busy()


def hinted(account: int) -> None:
    """There is news of an account: look at once. Called from any thread; many hints in a row make few looks."""
    _lanes.submit(account, partial(_look_now, account))


def _look_now(account: int) -> None:
    live_orders.hinted(account)
    _look(account, datetime.now(UTC), compare=False)


def _look(pk: int, now: datetime, *, compare: bool) -> None:
    """Book its news, enforce its plans, move its limits, and compare it. What fails is logged, and the rest goes on."""
    account = Account.objects.select_related("feed").get(pk=pk)
    steps: list[Callable[[], object]] = [
        partial(live_orders.follow, account=account, now=now),
        partial(guardian.sweep_account, account=account, now=now),
        partial(repricing.sweep_account, account=account, now=now),
    ]
    if compare:
        steps.append(partial(reconciliation.check, account=account, wall=now, at_once=False))
    for step in steps:
        try:
            step()
        except Exception:  # The guardian outlives whatever goes wrong.
            log.exception("guardian_failed", what=f"account {pk}")
