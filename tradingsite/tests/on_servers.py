"""Runs a command with PostgreSQL and Redis: `python -m tradingsite.tests.on_servers COMMAND...`.

Servers that answer on their standard local ports, without a password and with an empty Redis database, are used as they
are; else both are started from the programs of this machine and end with the command. The command finds them in
DATABASE_URL and REDIS_URL.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench import places
from faults.servers import NoServers, Postgres, Redis

RUNS = 0x73756974  # names the locks of the databases that runs have taken


def main(command: list[str]) -> int:
    try:
        with servers() as variables:
            return subprocess.run(command, env=os.environ | variables, check=False).returncode
    except NoServers as missing:
        sys.stderr.write(f"{missing}\n")
        return 1


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """The variables that name them. Raises NoServers where none answer and their programs are not installed."""
    with _running() as named:
        if named is not None:
            yield named
            return
    with tempfile.TemporaryDirectory(prefix="servers-", ignore_cleanup_errors=True) as name, _started(name) as named:
        yield named


@contextmanager
def _running() -> Iterator[dict[str, str] | None]:
    """Those that answer, with names that no other run on this machine has; None where one is missing."""
    if not places.postgres_answers():
        yield None
        return
    with psycopg.connect(places.POSTGRES.replace("postgres://", "postgresql://", 1), autocommit=True) as server:

        def take(number: int) -> bool:
            """A lock that lasts as long as this run: an empty Redis database may be another's between two tests."""
            [taken] = server.execute("SELECT pg_try_advisory_lock(%s, %s)", [RUNS, number]).fetchone() or [False]
            return bool(taken)

        redis = places.empty_redis(take)
        name = f"suite_{secrets.token_hex(4)}"
        yield redis and {"DATABASE_URL": places.address(name), "REDIS_URL": redis}


@contextmanager
def _started(name: str) -> Iterator[dict[str, str]]:
    folder = Path(name)
    folder.chmod(0o755)  # PostgreSQL does not run as root
    postgres, redis = Postgres(folder / "postgres"), Redis(folder / "redis")
    try:
        postgres.start()
        redis.start()
        yield {"DATABASE_URL": postgres.url("suite"), "REDIS_URL": redis.url}
    finally:
        postgres.kill()
        redis.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
