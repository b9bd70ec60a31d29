"""Where log lines end: standard error, and files with rotation, each written by one process only.

Several processes may log into one folder: the first takes `app.log`, the next `app-2.log` and so on. A file
that another process holds is never renamed or written to, so rotation loses nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

SIZE = 100 * 1024 * 1024
KEPT = 10
WRITERS = 100


class StandardError(logging.StreamHandler[TextIO]):
    """Asks for the stream at each line: whoever captures output replaces it later than logs are set up."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class OwnedFile(RotatingFileHandler):
    def __init__(self, path: str) -> None:
        self.first = Path(path)
        self.process = os.getpid()
        super().__init__(path, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8", delay=True)

    def emit(self, record: logging.LogRecord) -> None:
        if self.process != os.getpid():
            self._leave_to_parent()
        super().emit(record)

    def _leave_to_parent(self) -> None:
        # A forked child shares its parent's file and lock; closing its copy keeps the parent's lock.
        self.process = os.getpid()
        if self.stream:
            self.stream.close()
            self.stream = None

    def _open(self) -> TextIOWrapper:
        self.first.parent.mkdir(parents=True, exist_ok=True)
        for number in range(1, WRITERS + 1):
            path = self.first if number == 1 else self.first.with_stem(f"{self.first.stem}-{number}")
            stream = path.open("a", encoding="utf-8")
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                stream.close()
            else:
                self.baseFilename = str(path)
                return stream
        raise OSError(f"All {WRITERS} log files beside {self.first} are in use.")
