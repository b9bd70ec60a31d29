"""Runs a command with PostgreSQL and Redis of its own: `python -m tradingsite.tests.on_servers COMMAND...`.

The servers are started from the programs of this machine and end with the command; those that are there already are
left alone. The command finds them in DATABASE_URL and REDIS_URL.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from faults.servers import NoServers, Postgres, Redis


def main(command: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="servers-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        try:
            postgres, redis = Postgres(folder / "postgres"), Redis(folder / "redis")
            postgres.start()
            redis.start()
        except NoServers as missing:
            sys.stderr.write(f"{missing}\n")
            return 1
        try:
            variables = {"DATABASE_URL": postgres.url("suite"), "REDIS_URL": redis.url}
            return subprocess.run(command, env=os.environ | variables, check=False).returncode
        finally:
            postgres.kill()
            redis.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
