"""Runs a command with PostgreSQL and Redis: `python -m tradingsite.tests.on_servers COMMAND...`.

Servers that answer on their standard local ports, without a password and with an empty Redis database, are used as they
are; else both are started from the programs of this machine and end with the command. The command finds them in
DATABASE_URL and REDIS_URL.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import places
from faults.servers import NoServers, Postgres, Redis


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
    redis = places.empty_redis() if places.postgres_answers() else None
    if redis is not None:
        yield {"DATABASE_URL": places.address("suite"), "REDIS_URL": redis}
        return
    with tempfile.TemporaryDirectory(prefix="servers-", ignore_cleanup_errors=True) as name, _started(name) as named:
        yield named


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
