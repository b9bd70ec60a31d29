"""`python -m faults`: produce the faults, check the invariants, print one line for each.

The lines (or with --json one object) go to standard output, progress and every loss to standard error. Exit code 1
where anything was lost or not produced, 2 where nothing could be tried.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from . import contract, report, side_by_side
from .progress import tell
from .servers import NoServers, Postgres, Redis, Server

if TYPE_CHECKING:
    from .stage import Stage


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, end)
    try:
        if not any(runs for _, runs in given.plan):
            return tell_all(given, [report.Outcome(fault, 0) for fault, _ in given.plan])
        return tell_all(given, side_by_side.produced(given, laboratory) if given.stages > 1 else laboratory(given))
    except NoServers as missing:
        sys.stderr.write(f"{missing}\n")
        return 2


def end(*_: object) -> None:
    """SIGTERM: nothing is left running, and a second one does not disturb the clearing up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def laboratory(given: argparse.Namespace) -> Iterator[report.Outcome]:
    """Servers and a stage of its own, on which one fault after the other is produced. Raises NoServers."""
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        servers: list[Server] = []
        try:
            servers += [postgres := Postgres(folder / "postgres"), redis := Redis(folder / "redis")]
            for server in servers:
                server.start()
            yield from produced(given, folder, postgres, redis)
        finally:
            for server in servers:
                server.kill()


def arguments() -> argparse.Namespace:
    """What is asked for; `plan` holds the faults with the runs of each."""
    parser = argparse.ArgumentParser(
        prog="python -m faults", description="Break the product's real processes on purpose, and count what is lost."
    )
    parser.add_argument("--runs", type=int, default=3, help="how often each fault is produced (default %(default)s)")
    parser.add_argument("--only", default="", help="some faults, such as F1:40,F8,storm (default: all)")
    parser.add_argument(
        "--hurry", type=float, default=12.0, help="divide every deadline of the product by this (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of the market and of the moments")
    parser.add_argument("--kills", type=int, default=10, help="kills in each run of the storm (default %(default)s)")
    parser.add_argument("--stages", type=int, default=1, help="play on so many at once, each with servers of its own")
    parser.add_argument("--logs", type=Path, help="keep the logs of the processes here")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    given = parser.parse_args()
    try:
        given.plan = contract.plan(only=given.only, runs=given.runs)
    except ValueError as impossible:
        parser.error(str(impossible))
    return given


def produced(given: argparse.Namespace, folder: Path, postgres: Postgres, redis: Redis) -> Iterator[report.Outcome]:
    surround(folder, postgres, redis)
    stage = prepare(given, folder, postgres, redis)
    try:
        for fault, runs in given.plan:
            yield produce(fault, runs, stage, given.seed)
    finally:
        stage.end()


def tell_all(given: argparse.Namespace, produced: Iterable[report.Outcome]) -> int:
    """A line for each outcome as it comes, with --json on standard error and one object at the end; the exit code."""
    outcomes = []
    for outcome in produced:
        outcomes.append(outcome)
        (tell if given.json else say)(outcome.line())
    if given.json:
        say(report.as_json(outcomes))
    return 0 if report.passed(outcomes) else 1


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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
    from django.db import connection

    from . import market, stage

    logs = given.logs or folder / "logs"
    for made in (logs, folder / "control"):
        made.mkdir(parents=True, exist_ok=True)
    tell("Preparing the database.")
    postgres.run(f"CREATE DATABASE {stage.DATABASE}")
    market.prepare(seed=given.seed)
    connection.close()
    postgres.run(f"ALTER DATABASE {stage.DATABASE} RENAME TO {stage.PREPARED}")
    return stage.Stage(folder, logs, postgres, redis, hurry=given.hurry, kills=given.kills)


def produce(fault: contract.Fault, runs: int, stage: "Stage", seed: int) -> report.Outcome:
    """Produce one fault `runs` times. What keeps the laboratory from it is told as its trouble."""
    from .bare import Bare
    from .rounds import NotProduced
    from .stage import NotKilled

    outcome = report.Outcome(fault, runs)
    if not runs:
        return outcome
    bare = Bare()
    module, name = fault.scenario.split(".")
    scenario = getattr(import_module(f"faults.{module}"), name)
    try:
        for result in scenario(stage, runs, random.Random(f"{seed}:{fault.number}")):
            outcome.results.append(result)
            bare.note(stage)
            stage.lost = bool(result.lost)
            done = f"{fault.number} {len(outcome.results)}/{runs}"
            tell(f"{done}: {result.note}; recovered after {result.seconds:.1f} s")
            for sentence in result.lost:
                tell(f"  LOSS {sentence}")
    except (NotProduced, NotKilled, TimeoutError) as trouble:
        outcome.trouble = str(trouble)
    outcome.bare, outcome.bereft = bare.lived(), bare.died()
    return outcome


if __name__ == "__main__":
    sys.exit(main())
