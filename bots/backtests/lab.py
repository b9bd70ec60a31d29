"""Works off what is queued, one backtest at a time: in this process where it has nothing else to do, else in another.

A backtest keeps a core busy for as long as it runs. In a thread it would hold up the pages and bots beside it.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from bots.models import Backtest, BacktestState
from markets import connections

from . import runs

LOOK_SECONDS = 0.2
NICENESS = 10
_WORKING = threading.Lock()


def work(*, draining: Callable[[], bool]) -> int:
    """Run what is queued until nothing is, or until the worker ends. How many; 0 where another thread is at it."""
    if not _WORKING.acquire(blocking=False):
        return 0
    try:
        return _work(draining)
    finally:
        _WORKING.release()


def _work(draining: Callable[[], bool]) -> int:
    runs.sweep(wall=datetime.now(UTC))
    done = 0
    while not draining():
        waiting = Backtest.objects.filter(state=BacktestState.QUEUED).order_by("id").values_list("pk", flat=True)
        pk = waiting.first()
        if pk is None:
            break
        # A child of a pool of processes has its main thread for this alone.
        alone = threading.current_thread() is threading.main_thread()
        done += runs.run(pk=pk) if alone else _elsewhere(pk, draining)
    return done


def _elsewhere(pk: int, draining: Callable[[], bool]) -> bool:
    """Run it in a process of its own. One that a stopping worker ends waits for the next worker."""
    # It may be cancelled, or begun by another worker, while that process boots.
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "backtest", "--resume", str(pk), "--waiting"]
    quiet = subprocess.DEVNULL
    connections.release()
    # A session of its own: what is typed at the terminal ends this process, which then ends the other in order.
    apart: dict[str, Any] = {"stdin": quiet, "stdout": quiet, "stderr": quiet, "start_new_session": True}
    with subprocess.Popen(command, cwd=settings.BASE_DIR, **apart) as process:
        os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
        while True:
            try:
                process.wait(LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                if draining():
                    process.kill()  # what it has, is stored; a frozen one would hear nothing less
                    process.wait()
                    runs.put_back(pk=pk)
                    return False
    _after(pk, process.returncode)
    return True


def _after(pk: int, code: int) -> None:
    """What the process left behind: nothing, unless it died. One that found nothing to do ends with 0."""
    if code == 0:
        return
    row = Backtest.objects.filter(pk=pk).values_list("state", "attempts").first()
    if row is None or row[0] not in (BacktestState.QUEUED, BacktestState.RUNNING):
        return
    why, wall = f"The process that ran it ended with the code {code}.", datetime.now(UTC)
    if row[0] == BacktestState.QUEUED:
        # It did not even begin; tried again at once it would not either.
        Backtest.objects.filter(pk=pk, state=row[0]).update(state=BacktestState.FAILED, error=why, ended_at=wall)
    else:
        runs.given_up(pk=pk, attempt=row[1], wall=wall, why=why)
