"""A PostgreSQL and a Redis of the laboratory's own: on free ports, with data that go away, started from the binaries.

Servers that are there already are never touched: these are made to be killed, frozen and flushed.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import redis

HOST = "127.0.0.1"
VERSIONS = Path("/usr/lib/postgresql")  # where Debian keeps the programs of each version
PATIENCE = 60.0


class NoServers(Exception):
    """A program that the laboratory needs is not installed; the message says which."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """The path of a server program, Debian's versioned folders included. Raises NoServers."""
    versions = sorted(VERSIONS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if not found:
        raise NoServers(f"{name} is not installed (Debian: apt install postgresql redis-server).")
    return found


def wait_until(true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Poll until `true`; raises TimeoutError that names `what`."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise TimeoutError(f"{what} within {seconds:g} s")
        time.sleep(0.05)


class Server:
    """A server process in a folder of its own. `start` begins it, or begins it anew on the same data and port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **account()
            )
        wait_until(self.answers, f"{type(self).__name__} answers on port {self.port}")

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, number: int) -> None:
        """Send a signal and wait for the end; a frozen server is thawed first."""
        self.signal(signal.SIGCONT)
        self.signal(number)
        if self.process is not None:
            self.process.wait(PATIENCE)

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nobody."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)


class Redis(Server):
    """A Redis that keeps nothing on disk: a restart is a flush."""

    def command(self) -> list[str]:
        return [program("redis-server"), "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no"]

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(host=HOST, port=self.port, socket_timeout=5)

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        self.client().flushall()


class Postgres(Server):
    """A PostgreSQL cluster. It does not wait for the disk: the machine stays on, only processes die."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if user := account().get("user"):
            shutil.chown(folder, user)
        make = [program("initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        made = subprocess.run(
            [*make, "--no-sync", "--locale=C"], cwd=folder, capture_output=True, text=True, **account()
        )
        if made.returncode:
            raise NoServers(f"initdb failed: {made.stderr.strip()}")

    def command(self) -> list[str]:
        given = {"listen_addresses": HOST, "fsync": "off", "max_connections": 300, "unix_socket_directories": "",
                 "shared_buffers": "64MB", "log_min_messages": "fatal"}  # fmt: skip
        options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]

    def url(self, database: str) -> str:
        return f"postgres://postgres@{HOST}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(self.url(database), autocommit=True, connect_timeout=3)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            found = connection.execute(statement.encode())
            return list(found.fetchall()) if found.description else []

    def renew(self, database: str, template: str) -> None:
        """A fresh copy of `template` under the name `database`."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.run(f"CREATE DATABASE {database} TEMPLATE {template}")

    def terminate(self, database: str) -> int:
        """Cut every connection to a database, also in the middle of a transaction."""
        cut = self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        return len(cut)

    def crash(self) -> None:
        """What a power cut leaves: no shutdown, and a start that recovers from the log."""
        self.end(signal.SIGQUIT)
        self.start()

    def restart(self) -> None:
        """A fast shutdown, as a package upgrade does it, and a start."""
        self.end(signal.SIGINT)
        self.start()


def account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so for root the servers run as somebody who may do less."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    name = "postgres" if "postgres" in names else "nobody"
    return {"user": name, "group": name if name == "postgres" else "nogroup"}
