"""The product's processes as the laboratory runs them: each in a session of its own, with a log, easy to kill.

A process is a child of a parent that has imported everything and does nothing else (`faults.parent`): so the next one
is there in a moment, and a thousand may die. Nothing else is shared: no thread, no connection, no row was ever read in
a parent, and SIGKILL ends the child as it ends any process.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
STOP_SECONDS = 90.0  # what compose.yml grants
BIRTH_SECONDS = 120.0


def surroundings(**given: str) -> dict[str, str]:
    """Variables of a process: nothing of the caller's settings, no key that costs or moves money."""
    return {name: value for name, value in os.environ.items() if name in KEPT} | given


class Parent:
    """The other end of `faults.parent`: it is asked for one child after the other, and tells how each ended."""

    def __init__(self, arguments: list[str], log: Path, variables: dict[str, str]) -> None:
        self.asked = (arguments, log, variables)
        self._line, theirs = socket.socketpair()
        with log.open("ab") as file:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "faults.inside", *arguments],
                cwd=ROOT, env=variables, stdin=theirs.fileno(), stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip
        theirs.close()

    def child(self) -> int:
        """A new process; its id. It may not have begun by then."""
        self._line.sendall(b"\n")
        return self._told(BIRTH_SECONDS)

    def ended(self, seconds: float = 0.0) -> int | None:
        """How the child has ended, negative for a signal; None where it has not within so many seconds."""
        return self._told(seconds) if select.select([self._line], [], [], seconds)[0] else None

    def end(self) -> None:
        self._line.close()
        self._popen.kill()
        self._popen.wait(10)

    def _told(self, seconds: float) -> int:
        self._line.settimeout(seconds or None)
        told = b""
        while not told.endswith(b"\n"):
            if not (part := self._line.recv(16)):
                raise RuntimeError(f"The parent of «{' '.join(self.asked[0])}» has ended; its log says why.")
            told += part
        return int(told)


class Process:
    """One process of the product. `start` again after its end is what a service manager does."""

    def __init__(self, name: str, parent: Parent) -> None:
        self.name, self.pid = name, 0
        self.parent = parent
        self.started = 0.0  # Unix time
        self.code: int | None = None  # how it ended, negative for a signal

    def start(self) -> "Process":
        self.started, self.code = time.time(), None
        self.pid = self.parent.child()
        return self

    @property
    def alive(self) -> bool:
        return bool(self.pid) and not self._ended(0.0)

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)  # what has ended keeps its id until the next one is asked for

    def kill(self) -> None:
        """kill -9: nothing gets to tidy up."""
        self.signal(signal.SIGKILL)
        if self.pid and not self._ended(10):
            raise TimeoutError(f"{self.name} outlived kill -9")

    def stop(self) -> bool:
        """SIGTERM and patience; whether it ended by itself within the limit of a service manager."""
        self.signal(signal.SIGTERM)
        if self.pid and not self._ended(STOP_SECONDS):
            self.kill()
            return False
        return True

    def _ended(self, seconds: float) -> bool:
        if self.code is None:
            self.code = self.parent.ended(seconds)
        return self.code is not None
