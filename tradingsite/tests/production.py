"""The product as its separate processes, for tests: what compose.yml starts, on servers of the test's own.

PostgreSQL and Redis are started from the programs of this machine on free ports, with data that go away; servers that
are there already are left alone. Commands and their variables are those of compose.yml, on this machine's addresses.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import yaml
from django.conf import settings

from faults.servers import Postgres, Redis
from tradingsite.tests.process import free_port

PATIENCE = 90.0
SERVICES: dict[str, Any] = yaml.safe_load((settings.BASE_DIR / "compose.yml").read_text())["services"]
PROCESSES = ("web", "cycles", "market", "lab", "beat", "guardian")


def wait_until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true, and return it; fails with `what`."""
    until = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < until, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
    return answer


class Site:
    """A database of its own, and processes by the names of their services; a second one is named `cycles 2`."""

    def __init__(self, folder: Path, postgres: Postgres, redis: Redis, **variables: str) -> None:
        self.folder, self.postgres, self.redis, self.port = folder, postgres, redis, free_port()
        self.database = f"site_{folder.name.replace('-', '_')}"[:60]
        folder.mkdir(parents=True, exist_ok=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        self.variables = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "ENVIRONMENT": "production",
            "DATA_DIR": str(folder / "data"),
            "STATIC_ROOT": str(folder.parent / "static"),
            "SECRET_KEY": base64.b64encode(os.urandom(60)).decode(),
            "CREDENTIALS_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "ALLOWED_HOSTS": "127.0.0.1",
            "CSRF_TRUSTED_ORIGINS": f"http://127.0.0.1:{self.port}",
            "TLS_PROXY": "true",
            "DATABASE_URL": postgres.url(self.database),
            "REDIS_URL": redis.url,
            "MARKET_DATA": str(folder),
            **variables,
        }

    # --- Database and commands ---

    def create(self, template: str = "template1") -> "Site":
        self.postgres.renew(self.database, template)
        return self

    def drop(self) -> None:
        self.postgres.run(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        ended = subprocess.run(
            command, cwd=settings.BASE_DIR, env=self.variables, capture_output=True, text=True, timeout=PATIENCE
        )
        assert not check or ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return ended

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.postgres.url(self.database), connect_timeout=5) as connection:
            return connection.execute(query).fetchall()

    def number(self, query: str) -> int:
        return int(self.rows(query)[0][0] or 0)

    def differences(self) -> list[str]:
        """What ledger and venue do not agree in. Only while no process drives the market."""
        told = self.manage("reconcile", "--json", check=False)
        return [line for found in json.loads(told.stdout)["accounts"].values() for line in found]

    # --- Processes ---

    def start(self, *names: str) -> "Site":
        for name in names:
            service = SERVICES[name.split()[0]]
            given = {key: str(value) for key, value in service["environment"].items() if key in ("DATABASE_POOL",)}
            command = [word.replace("%h", name.replace(" ", "-")) for word in service["command"]]
            if command[0] == "daphne":
                command = [*command[:-1], "-b", "127.0.0.1", "-p", str(self.port), command[-1]]
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    command, cwd=settings.BASE_DIR, env=self.variables | given, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, start_new_session=True,
                )  # fmt: skip
        return self

    def signal(self, name: str, number: int = signal.SIGTERM) -> None:
        self.processes[name].send_signal(number)

    def stop(self, *names: str) -> dict[str, int]:
        """SIGTERM to all of them at once, as `compose down` does; their exit codes."""
        chosen = names or tuple(self.processes)
        for name in chosen:
            self.signal(name)
        return {name: self.processes[name].wait(PATIENCE) for name in chosen}

    def kill(self, *names: str) -> None:
        for name in names or tuple(self.processes):
            with contextlib.suppress(ProcessLookupError):  # with the children of the lab's worker
                os.killpg(self.processes[name].pid, signal.SIGKILL)
            self.processes[name].wait(10)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def __enter__(self) -> "Site":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.drop()

    # --- What is to be seen ---

    def get(self, path: str) -> dict[str, Any]:
        """The JSON behind a path, asked for as the proxy would."""
        request = urllib.request.Request(self.address + path, headers={"X-Forwarded-Proto": "https"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return dict(json.load(answer))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trades(self) -> int:
        return self.number("SELECT count(*) FROM ledger_trade")

    def instants(self) -> int:
        """Minutes of market time since the feed began."""
        return self.number("SELECT extract(epoch FROM market_now - starts_at) / 60 FROM markets_feed WHERE running")

    def cycles(self, status: str) -> int:
        return self.number(f"SELECT count(*) FROM bots_cycle WHERE status = '{status}'")

    def moves_on(self, instants: int = 2, seconds: float = PATIENCE) -> None:
        """The market moves by so many instants from now on."""
        reached = self.instants() + instants
        wait_until(lambda: self.instants() >= reached, "The market does not move", seconds)
