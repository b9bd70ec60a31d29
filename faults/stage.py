"""Where a scenario plays: servers, a prepared database, the product's processes, and the means to break each.

Every scenario begins with a fresh copy of one prepared database. The stage looks at the product only between two
instants of its market, and mends nothing.
"""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

from bots.cycle import DEADLINE

from . import invariants
from .points import slug
from .processes import Process, surroundings
from .servers import Postgres, Redis, wait_until
from .watch import FOUND

DATABASE, PREPARED = "lab", "prepared"
CELERY = ("celery", "-A", "tradingsite")
FAMILIES = {"worker": (*CELERY, "worker", "-Q", "cycles"), "market": (*CELERY, "worker", "-Q", "market"),
            "beat": (*CELERY, "beat")}  # fmt: skip

Answer = TypeVar("Answer")


def tell(sentence: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stderr.flush()


class Stage:
    """`hurry` divides the product's patience: deadlines are most of a recovery."""

    def __init__(self, folder: Path, logs: Path, postgres: Postgres, redis: Redis, hurry: float) -> None:
        self.folder, self.logs, self.postgres, self.redis, self.hurry = folder, logs, postgres, redis, hurry
        self.control = folder / "control"
        self.processes: dict[str, Process] = {}
        self.deadline = DEADLINE.total_seconds() / hurry
        self.patience = 3 * self.deadline + 30
        self.lost = False

    # --- Beginning and end ---

    @contextmanager
    def playing(self, *names: str, copies: int = 0) -> Iterator["Stage"]:
        """The product on a fresh database with processes such as `worker-1`, `market-2`, `beat-1`, until the end."""
        self.renew()
        variables = surroundings(
            DJANGO_SETTINGS_MODULE="tradingsite.settings", ENVIRONMENT="testing",
            DATA_DIR=str(self.folder / "data"), DATABASE_URL=self.postgres.url(DATABASE), REDIS_URL=self.redis.url,
            FAULTS_CONTROL=str(self.control), FAULTS_HURRY=f"{self.hurry:g}",
            **({"FAULTS_COPIES": str(copies)} if copies else {}),
        )  # fmt: skip
        self.processes = {
            name: Process(
                name,
                _command(name),
                self.logs,
                variables | {"LOG_DIR": str(self.logs / name), "FAULTS_FAMILY": _family(name)},
            )
            for name in names
        }
        try:
            for process in self.processes.values():
                process.start()
            yield self
        finally:
            for process in self.processes.values():
                process.kill()

    def renew(self) -> None:
        close()
        self.lost = False
        self.postgres.renew(DATABASE, PREPARED)
        self.redis.flush()
        for path in self.control.glob("*"):
            path.unlink()

    def start_again(self, names: Iterable[str] = ()) -> None:
        """What a service manager does: whatever has ended is started again."""
        for name, process in self.processes.items():
            if not process.alive and (not names or name in names):
                process.start()

    # --- Named points ---

    def arm(self, point: str, deed: str) -> None:
        """The next process that reaches `point` does the deed: kill, freeze, or wait SECONDS."""
        draft = self.folder / "armed"
        draft.write_text(deed)
        draft.rename(self.control / slug(point))

    def taken(self, point: str, seconds: float = 90.0) -> Process:
        """Wait until somebody has reached the point; who it was. Raises TimeoutError."""
        pattern = f"{slug(point)}.*.taken"
        wait_until(lambda: any(self.control.glob(pattern)), f"nobody reached «{point}»", seconds)
        path = next(self.control.glob(pattern))
        pid = int(path.name.split(".")[-2])
        path.unlink()
        return next(process for process in self.processes.values() if process.pid == pid)

    # --- Looking ---

    def newest_cycle(self) -> int:
        return int(query("select coalesce(max(id), 0) from bots_cycle")[0][0])

    def idle(self, since: int) -> list[str]:
        """The running bots that have not ended a cycle in order that is newer than `since`, with their newest one."""
        found = query(
            "select b.name, (select format('%s %s %s', c.id, c.status, c.error) from bots_cycle c"
            " where c.bot_id = b.id order by c.id desc limit 1)"
            " from bots_bot b where status = 'running' and not exists (select 1 from bots_cycle c"
            f" where c.bot_id = b.id and c.status = 'done' and c.id > {since})"
        )
        return [f"{name} has not run again; its newest cycle is {newest}." for name, newest in found]

    def recovered(self, since: int, fault: float) -> tuple[float, list[str]]:
        """Seconds from the monotonic time `fault` until every bot works again and nothing is amiss; what is amiss.

        A loss is what has not mended itself within the stage's patience.
        """
        found: list[str] = []
        until = max(fault, time.monotonic()) + self.patience
        while time.monotonic() < until:
            self.start_again()
            found = reliably(lambda: self.idle(since))
            if not found:
                seconds = time.monotonic() - fault
                found = self.look()
                if not found:
                    return seconds, []
                time.sleep(0.5)
            time.sleep(0.05)
        return time.monotonic() - fault, found + reliably(invariants.blocked)

    def unprotected(self, seconds: float = 5.0) -> list[str]:
        """Positions that stay without a stop of their size for longer than it takes to place one."""
        until = time.monotonic() + seconds
        while bare := reliably(invariants.unprotected):
            if time.monotonic() > until:
                return bare
            time.sleep(0.1)
        return []

    def look(self) -> list[str]:
        """Every broken invariant, seen between two instants."""
        found = reliably(invariants.look)
        seen = self.control / FOUND
        return found + (seen.read_text().splitlines() if seen.exists() else [])


def _command(name: str) -> list[str]:
    command = list(FAMILIES[_family(name)])
    return command if name.startswith("beat") else [*command, "-n", f"{name}@lab"]


def _family(name: str) -> str:
    return name.partition("-")[0]


def query(statement: str) -> list[tuple]:  # type: ignore[type-arg]
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def close() -> None:
    connection.close()


def reliably(call: Callable[[], Answer]) -> Answer:
    """Call until the database answers: it may just have been restarted."""
    until = time.monotonic() + 30
    while True:
        try:
            return call()
        except (OperationalError, InterfaceError):
            close()
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
