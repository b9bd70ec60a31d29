"""Where a scenario plays: servers, a prepared database, the product's processes, and the means to break each.

Every scenario begins with a fresh copy of one prepared database. `faults.recovery` says how it came out.
"""

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

from bots.cycle import DEADLINE

from .points import slug
from .processes import Parent, Process, surroundings
from .servers import Postgres, Redis, wait_until

DATABASE, PREPARED = "lab", "prepared"
CELERY = ("celery", "-A", "tradingsite")
FAMILIES = {"worker": (*CELERY, "worker", "-Q", "cycles"), "market": (*CELERY, "worker", "-Q", "market"),
            "beat": (*CELERY, "beat"), "guardian": ("manage.py", "guardian"), "trader": ("trade",)}  # fmt: skip


class NotKilled(Exception):
    """A process that should have died at a point ended in another way: an error of the laboratory."""


class Stage:
    """`hurry` divides the product's patience: deadlines are most of a recovery. `kills` make one run of the storm."""

    def __init__(self, folder: Path, logs: Path, postgres: Postgres, redis: Redis, *, hurry: float, kills: int) -> None:
        self.folder, self.logs, self.postgres, self.redis = folder, logs, postgres, redis
        self.hurry, self.kills = hurry, kills
        self.control = folder / "control"
        self.processes: dict[str, Process] = {}
        self._parents: dict[str, Parent] = {}
        self.deadline = DEADLINE.total_seconds() / hurry
        # A machine that is busy with other things makes everything late, and late is not lost.
        self.patience = 3 * self.deadline + 90
        self.lost = False
        self.number = 0  # counts the databases
        self.guardian_died = False  # set whenever one is started again; whoever looks clears it

    # --- Beginning and end ---

    @contextmanager
    def playing(self, *names: str, copies: int = 0) -> Iterator["Stage"]:
        """The product on a fresh database with processes such as `worker-1`, `market-2`, `beat-1`, until the end."""
        self.renew()
        with self.running(*names, **({"FAULTS_COPIES": str(copies)} if copies else {})):
            yield self

    @contextmanager
    def running(self, *names: str, **more: str) -> Iterator["Stage"]:
        """Processes on the database as it is, with `more` in their surroundings, until the end."""
        variables = surroundings(
            DJANGO_SETTINGS_MODULE="tradingsite.settings", ENVIRONMENT="testing",
            DATA_DIR=str(self.folder / "data"), DATABASE_URL=self.postgres.url(DATABASE), REDIS_URL=self.redis.url,
            FAULTS_CONTROL=str(self.control), FAULTS_HURRY=f"{self.hurry:g}", **more,
        )  # fmt: skip
        self.processes = {name: self._process(name, variables) for name in names}
        try:
            for process in self.processes.values():
                process.start()
            yield self
        finally:
            for process in self.processes.values():
                process.kill()

    def _process(self, name: str, variables: dict[str, str]) -> Process:
        family = family_of(name)
        command = list(FAMILIES[family])
        if "worker" in command:
            command += ["-n", f"{name}@lab"]
        own = {"LOG_DIR": str(self.logs / name), "FAULTS_FAMILY": family}
        return Process(name, self._parent(name, command, variables | own))

    def _parent(self, name: str, command: list[str], variables: dict[str, str]) -> Parent:
        """The one that is there already, where nothing about it has changed."""
        asked = command, self.logs / f"{name}.log", variables
        known = self._parents.get(name)
        if known is not None and known.asked == asked:
            return known
        if known is not None:
            known.end()
        self._parents[name] = Parent(*asked)
        return self._parents[name]

    def end(self) -> None:
        for parent in self._parents.values():
            parent.end()

    def renew(self) -> None:
        connection.close()
        self.lost, self.guardian_died = False, False
        self.number += 1
        self.postgres.renew(DATABASE, PREPARED)
        self.redis.flush()
        for path in self.control.glob("*"):
            path.unlink()

    # --- Processes ---

    def start_again(self, names: Iterable[str] = ()) -> None:
        """What a service manager does: whatever has ended is started again."""
        for name, process in self.processes.items():
            if not process.alive and (not names or name in names):
                self.guardian_died |= family_of(name) == "guardian"
                process.start()

    def started(self, family: str) -> list[float]:
        """When the processes of a family were last started, as Unix times."""
        return [process.started for name, process in self.processes.items() if family_of(name) == family]

    # --- Named points ---

    def arm(self, point: str, deed: str) -> None:
        """The next process that reaches `point` does the deed: kill, freeze, or wait SECONDS."""
        draft = self.folder / "armed"
        draft.write_text(deed)
        draft.rename(self.control / slug(point))

    def disarm(self, points: Iterable[str]) -> None:
        for point in points:
            (self.control / slug(point)).unlink(missing_ok=True)

    def taken(self, point: str, seconds: float = 180.0) -> Process:
        """Wait until somebody has reached the point; who it was. Raises TimeoutError."""
        wait_until(lambda: any(self._taken(point)), f"nobody reached «{point}»", seconds)
        return self._taker(next(self._taken(point)))

    def killed(self, points: Sequence[str], seconds: float = 180.0) -> dict[str, Process]:
        """Wait until somebody has died at one of these points; who died where. Mostly one: the others are disarmed."""
        wait_until(lambda: any(map(any, map(self._taken, points))), f"nobody reached {points}", seconds)
        self.disarm(points)
        died = {point: self._taker(path) for point in points for path in self._taken(point)}
        for point, process in died.items():
            wait_until(lambda: not process.alive, f"{process.name} lives on after «{point}»")  # noqa: B023
            if process.code != -signal.SIGKILL:
                raise NotKilled(f"{process.name} ended at «{point}» with {process.code}")
        return died

    def _taken(self, point: str) -> Iterator[Path]:
        return self.control.glob(f"{slug(point)}.*.taken")

    def _taker(self, path: Path) -> Process:
        pid = int(path.name.split(".")[-2])
        path.unlink()
        return next(process for process in self.processes.values() if process.pid == pid)


def family_of(name: str) -> str:
    return name.partition("-")[0]
