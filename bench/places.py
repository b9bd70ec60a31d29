"""Places to measure in: databases of the bench's own, on SQLite and, where the servers answer, PostgreSQL and Redis.

A place is copied for each run, so that every run starts from the same rows. What is not the bench's is never touched.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis

POSTGRES = os.environ.get("BENCH_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
REDIS = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379")


@dataclass(frozen=True, slots=True)
class Place:
    """One database and the data folder of its processes. `database` is a file of SQLite or a name at PostgreSQL."""

    kind: str
    folder: Path
    database: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that works here: nothing of the caller's settings counts."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        url = f"sqlite:///{self.database}" if self.kind == "SQLite" else address(self.database)
        return {
            **kept,
            "ENVIRONMENT": "development",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": url,
            "REDIS_URL": "",
        }

    def copy(self) -> "Place":
        """The same rows again. Nobody may be connected to a PostgreSQL database that is copied."""
        if self.kind == "SQLite":
            copied = sqlite(self.folder.parent)
            with sqlite3.connect(self.database) as source, sqlite3.connect(copied.database) as target:
                source.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
            source.close()
            target.close()
            return copied
        return postgres(self.folder.parent, template=self.database)

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.kind != "SQLite":
            _administer(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')


def sqlite(parent: Path) -> Place:
    """An empty file in a folder of its own."""
    folder = _folder(parent)
    return Place("SQLite", folder, str(folder / "bench.sqlite3"))


def postgres(parent: Path, template: str = "template0") -> Place:
    """A new database. Raises psycopg.OperationalError where no server answers."""
    folder = _folder(parent)
    name = f"bench_{folder.name}"
    _administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return Place("PostgreSQL", folder, name)


def postgres_answers() -> bool:
    try:
        _administer("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def empty_redis(take: Callable[[int], bool] = lambda number: True) -> str | None:
    """The address of a Redis database that holds nothing; None where no server answers or all are in use.

    `take` says whether an empty one may be had.
    """
    for number in range(15, 0, -1):
        url = f"{REDIS}/{number}"
        try:
            with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
                if not client.dbsize() and take(number):
                    return url
        except redis.RedisError:
            return None
    return None


def address(database: str) -> str:
    """The address of another database at the same server."""
    return urlunsplit(urlsplit(POSTGRES)._replace(path=f"/{database}"))


def here() -> Place:
    """The place that this process works in."""
    url, folder = os.environ["DATABASE_URL"], Path(os.environ["DATA_DIR"])
    if url.startswith("sqlite"):
        return Place("SQLite", folder, url.removeprefix("sqlite:///"))
    return Place("PostgreSQL", folder, urlsplit(url).path.removeprefix("/"))


def copy_of_here() -> Place:
    """A copy of this process's own database, made while it is not connected to it."""
    from django.db import connection

    connection.close()
    getattr(connection, "close_pool", lambda: None)()
    return here().copy()


def _folder(parent: Path) -> Path:
    folder = parent / secrets.token_hex(6)
    folder.mkdir(parents=True)
    return folder


def _administer(statement: str) -> None:
    with psycopg.connect(
        POSTGRES.replace("postgres://", "postgresql://", 1), autocommit=True, connect_timeout=2
    ) as server:
        server.execute(statement)
