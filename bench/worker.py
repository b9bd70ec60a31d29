"""A worker of the product with two things more, which exist in this process alone: a slow decider, and a task that
does nothing.

`python -m bench.worker POOL SLOTS` starts it. `bench:slow` thinks as long as a language model that is far away.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, ClassVar

SECONDS = 20.0
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Slow:
    """Holds everything, after a long time."""

    name: ClassVar[str] = "bench:slow"
    description: ClassVar[str] = "Waits as long as a slow model, and holds."
    remote: ClassVar[bool] = True

    def decide(self, briefing: Any) -> dict[str, Any]:
        from bots.deciders.house import proposals

        sleep(SECONDS)
        holds = [proposals.hold(symbol, "Thought about it.") for symbol in briefing.snapshot.instruments]
        return proposals.answer("Holds.", holds)


def main(pool: str, slots: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    from tradingsite.celery import app

    app.set_default()

    @app.task(name="bench.nothing")
    def nothing() -> None:
        return None

    from celery.signals import worker_init

    @worker_init.connect
    def register(**_: object) -> None:
        from bots.deciders.house import STRATEGIES

        STRATEGIES[Slow.name] = Slow  # type: ignore[assignment]

    app.worker_main(["worker", "--pool", pool, "--concurrency", slots, "--queues", "cycles", "--loglevel", "ERROR"])


@contextmanager
def running(pool: str, slots: int) -> Iterator[subprocess.Popen[bytes]]:
    """A worker on this process's own place, ready to take cycles; ended at the end. It logs beside the data."""
    command = [sys.executable, "-m", "bench.worker", pool, str(slots)]
    log = Path(os.environ["DATA_DIR"]) / "worker.log"
    with log.open("ab") as lines, subprocess.Popen(command, stdout=lines, stderr=lines) as process:
        try:
            wait_until(answers, "A worker did not start.")
            yield process
        finally:
            process.terminate()


def answers() -> bool:
    from tradingsite.celery import app

    return bool(app.control.ping(timeout=0.5))


def wait_until(condition: Any, otherwise: str, patience: float = PATIENCE) -> float:
    """Seconds until it held. Raises TimeoutError with the sentence."""
    begun = monotonic()
    while not condition():
        if monotonic() - begun > patience:
            raise TimeoutError(otherwise)
        sleep(0.02)
    return monotonic() - begun


if __name__ == "__main__":
    main(*sys.argv[1:])
