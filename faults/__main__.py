"""`python -m faults`: produce the faults, check the invariants, print one line for each.

The lines go to standard output, progress and every loss to standard error. Exit code 1 where anything was lost.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .contract import FAULTS, Fault
from .servers import NoServers, Postgres, Redis

if TYPE_CHECKING:
    from .scenarios import Result
    from .stage import Stage


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            postgres, redis = Postgres(folder / "postgres"), Redis(folder / "redis")
        except NoServers as missing:
            sys.stderr.write(f"{missing}\n")
            return 2
        try:
            postgres.start()
            redis.start()
            return report(given, folder, postgres, redis)
        finally:
            for server in (postgres, redis):
                server.kill()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Break the product on purpose.")
    parser.add_argument("--runs", type=int, default=20, help="how often each fault is produced (default %(default)s)")
    parser.add_argument("--only", default="", help="numbers of faults, such as F1,F8 or storm (default: all)")
    parser.add_argument(
        "--hurry", type=float, default=12.0, help="divide every deadline of the product by this (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the market and of the moments")
    parser.add_argument("--logs", type=Path, help="keep the logs of the processes here")
    return parser.parse_args()


def report(given: argparse.Namespace, folder: Path, postgres: Postgres, redis: Redis) -> int:
    """Print the table; the exit code."""
    surround(folder, postgres, redis)
    stage = prepare(given, folder, postgres, redis)
    wanted = {number.strip().upper() for number in given.only.split(",") if number.strip()}
    lost = 0
    for fault in FAULTS:
        if wanted and not {fault.number, *fault.title.upper().split(":")} & wanted:
            continue
        results = produce(fault, stage, given)
        lost += sum(bool(result.lost) for result in results)
        sys.stdout.write(line(fault, results) + "\n")
        sys.stdout.flush()
    return int(lost > 0)


def surround(folder: Path, postgres: Postgres, redis: Redis) -> None:
    """This process looks at the database through the product's own models; nothing of the caller's settings counts."""
    for name in set(os.environ) - {"PATH", "HOME", "LANG", "TMPDIR"}:
        del os.environ[name]
    os.environ.update(
        DJANGO_SETTINGS_MODULE="tradingsite.settings", ENVIRONMENT="testing", LOG_LEVEL="ERROR",
        DATA_DIR=str(folder / "data"), DATABASE_URL=postgres.url("lab"), REDIS_URL=redis.url,
    )  # fmt: skip
    import django
    from django.conf import settings

    django.setup()
    # The laboratory outlives the servers that it restarts: no pool of old connections.
    settings.DATABASES["default"]["OPTIONS"].pop("pool", None)


def prepare(given: argparse.Namespace, folder: Path, postgres: Postgres, redis: Redis) -> "Stage":
    """The stage with its prepared database, of which each scenario gets a copy."""
    from . import market, stage

    logs = given.logs or folder / "logs"
    for made in (logs, folder / "control"):
        made.mkdir(parents=True, exist_ok=True)
    stage.tell("Preparing the database.")
    postgres.run(f"CREATE DATABASE {stage.DATABASE}")
    market.prepare(seed=given.seed)
    stage.close()
    postgres.run(f"ALTER DATABASE {stage.DATABASE} RENAME TO {stage.PREPARED}")
    return stage.Stage(folder, logs, postgres, redis, given.hurry)


def produce(fault: Fault, stage: "Stage", given: argparse.Namespace) -> "list[Result]":
    from . import scenarios
    from .stage import tell

    if not fault.scenario:
        return []
    results = []
    lots = random.Random(f"{given.seed}:{fault.number}")
    for result in getattr(scenarios, fault.scenario)(stage, given.runs, lots):
        results.append(result)
        stage.lost = bool(result.lost)
        tell(f"{fault.number} {len(results)}/{given.runs}: {result.note}; recovered after {result.seconds:.1f} s")
        for sentence in result.lost:
            tell(f"  LOSS {sentence}")
    return results


def line(fault: Fault, results: "list[Result]") -> str:
    named = f"{fault.number:7}{fault.title:34}"
    if not fault.scenario:
        return f"{named}open: waits for {fault.waits_for}"
    lost = sum(bool(result.lost) for result in results)
    seconds = [result.seconds for result in results]
    figures = f"{statistics.median(seconds):6.1f} s median {max(seconds):6.1f} s max" if seconds else "not produced"
    return f"{named}{len(results):4} runs {lost:4} losses  recovered {figures}"


if __name__ == "__main__":
    sys.exit(main())
