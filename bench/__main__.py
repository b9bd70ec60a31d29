"""`python -m bench`: measure the product beside its floors and peers, and print one table.

Progress goes to standard error, the table to standard output, everything to bench/results.json. Each measure runs in a
fresh process on a copy of a database that was made for it. The exit code is 1 where a target is missed.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from . import measures, places
from .figures import Figure, table

RESULTS = Path(__file__).with_name("results.json")


def main() -> int:
    given = arguments()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        lab = measures.Lab(Path(folder), given.runs, say)
        kinds = ["SQLite", *(["PostgreSQL"] if places.postgres_answers() else [])]
        redis = places.empty_redis() if len(kinds) > 1 else None
        for name in given.only.split(",") if given.only else measures.NAMES:
            figures += measures.measured(name, lab, kinds, redis, minutes=given.minutes)
    for missing in absent(kinds, redis):
        sys.stdout.write(missing + "\n")
    sys.stdout.write(f"\n{table(figures)}\n\n{conditions()}\n")
    RESULTS.write_text(
        json.dumps({"conditions": conditions(), "figures": [one.as_json() for one in figures]}, indent=1)
    )
    return int(any(figure.met is False for figure in figures))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the product beside its floors.")
    parser.add_argument("--runs", type=int, default=3, help="fresh processes for each figure (default %(default)s)")
    parser.add_argument("--only", default="", help=f"some of: {','.join(measures.NAMES)} (default: all)")
    parser.add_argument("--minutes", type=int, default=12, help="market minutes of the crowd (default %(default)s)")
    return parser.parse_args()


def absent(kinds: list[str], redis: str | None) -> list[str]:
    """What could not be measured here, in sentences."""
    if "PostgreSQL" not in kinds:
        return [f"No PostgreSQL answers at {places.POSTGRES}: what needs it is not measured (BENCH_DATABASE_URL)."]
    if redis is None:
        return [f"No Redis with an empty database at {places.REDIS}: what needs it is not measured (BENCH_REDIS_URL)."]
    return []


def conditions() -> str:
    load = ", ".join(f"{number:.1f}" for number in os.getloadavg())
    cores, python = len(os.sched_getaffinity(0)), platform.python_version()
    return f"{datetime.now(UTC):%d %B %Y %H:%M} UTC, {cores} cores, Python {python}, load {load}; medians of the runs"


def say(line: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
