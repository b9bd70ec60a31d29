"""The product's processes as the laboratory runs them: each in a session of its own, with a log, easy to kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
STOP_SECONDS = 90.0  # what compose.yml grants


def surroundings(**given: str) -> dict[str, str]:
    """Variables of a process: nothing of the caller's settings, no key that costs or moves money."""
    return {name: value for name, value in os.environ.items() if name in KEPT} | given


class Process:
    """One process of the product. `start` again after its end is what a service manager does."""

    def __init__(self, name: str, arguments: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
        self.name, self.arguments, self.variables = name, list(arguments), dict(variables)
        self.log = folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.started = 0.0  # Unix time

    def start(self) -> "Process":
        self.started = time.time()
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "faults.inside", *self.arguments],
                cwd=ROOT, env=self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    @property
    def pid(self) -> int:
        return self.popen.pid if self.popen else 0

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: int) -> None:
        if self.popen is not None and self.alive:
            self.popen.send_signal(number)

    def kill(self) -> None:
        """kill -9: nothing gets to tidy up."""
        self.signal(signal.SIGKILL)
        if self.popen is not None:
            self.popen.wait(10)

    def stop(self) -> bool:
        """SIGTERM and patience; whether it ended by itself within the limit of a service manager."""
        self.signal(signal.SIGTERM)
        if self.popen is None:
            return True
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True
