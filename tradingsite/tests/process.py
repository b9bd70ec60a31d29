"""The product as a real process for tests: `manage.py up` on a free port with data of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from django.conf import settings

PATIENCE = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """What a new user has: no settings but `more`, no database server, an empty data folder."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    return kept | {"DATA_DIR": str(data_dir), "ENVIRONMENT": "development", **more}


def manage(data_dir: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run one command of manage.py to its end."""
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment(data_dir, **variables), capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip


class Up:
    """A running `manage.py up`. `link` is the one-time sign-in link that it printed."""

    def __init__(self, data_dir: Path, *arguments: str, **variables: str) -> None:
        self.data_dir, self.port = data_dir, free_port()
        self.output = data_dir / "up.log"
        data_dir.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as log:
            self.begun = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(self.port), *arguments],
                cwd=settings.BASE_DIR,
                env=environment(data_dir, **variables),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> "Up":
        until = time.monotonic() + PATIENCE
        while "Sign in once" not in self.printed():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"`up` did not come up:\n{self.printed()}")
            time.sleep(0.05)
        return self

    def printed(self) -> str:
        with self.output.open("rb") as log:
            log.seek(self.begun)
            return log.read().decode()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def link(self) -> str:
        found = re.search(r"Sign in once with this link: (\S+)", self.printed())
        assert found is not None
        return found[1]

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return answer.status, answer.read().decode()

    def kill(self) -> None:
        """kill -9: nothing gets to tidy up."""
        self.process.kill()
        self.process.wait(10)

    def children(self, command: str) -> list[int]:
        """Processes that it started and whose command line holds these words."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "--", command], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def stop(self) -> int:
        """Ctrl+C; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> "Up":
        return self.wait_until_ready()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
