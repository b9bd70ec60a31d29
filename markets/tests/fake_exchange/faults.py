"""Faults that a test scripts for requests of a fake exchange: which calls, how many of them, and what goes wrong."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("drop", "drop_before", "delay", "status", "body", "half", "maintenance")


@dataclass(slots=True)
class Fault:
    """`kind`: `drop` carries the request out and cuts the connection before the answer, `drop_before` cuts it
    without carrying it out, `delay` answers after `seconds` (having carried it out), `status` answers with `status`,
    `headers` and `body` and carries nothing out (`after`: carries it out first), `body` replaces the answer's text,
    `half` sends half of it, `maintenance` is a 503 with a page.

    It meets calls whose path holds `path` (and method, exchange, where given), after the first `skip` of them, and
    `times` of those; None means all.
    """

    kind: str
    path: str = ""
    method: str = ""
    exchange: str = ""
    skip: int = 0
    times: int | None = 1
    seconds: float = 0.0
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    after: bool = False
    contains: str = ""  # and the query or body holds this text
    met: int = 0
    done: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"There is no fault «{self.kind}»: {', '.join(KINDS)}.")

    def meets(self, exchange: str, method: str, path: str, text: str) -> bool:
        if self.path not in path or self.method not in ("", method) or self.exchange not in ("", exchange):
            return False
        return self.contains in text


class Faults:
    """All scripted faults; the oldest one that is due wins."""

    def __init__(self) -> None:
        self.scripted: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, kind: str, path: str = "", **how: Any) -> Fault:
        fault = Fault(kind, path, **how)
        with self._lock:
            self.scripted.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self.scripted.clear()

    def due(self, exchange: str, method: str, path: str, text: str) -> Fault | None:
        with self._lock:
            for fault in self.scripted:
                if not fault.meets(exchange, method, path, text):
                    continue
                fault.met += 1
                if fault.met > fault.skip and (fault.times is None or fault.done < fault.times):
                    fault.done += 1
                    return fault
        return None
