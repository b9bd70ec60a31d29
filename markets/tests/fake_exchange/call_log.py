"""Every request that reached a fake exchange, in order, so that a test can count and read what was sent."""

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(slots=True)
class Call:
    """One request. `status` is 0 while it is under way and where no answer was sent."""

    number: int
    at: int
    exchange: str
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: str
    weight: int = 0
    status: int = 0

    @property
    def fields(self) -> dict[str, str]:
        """Query and form body together."""
        form = dict(parse_qsl(self.body)) if not self.body.startswith(("{", "[")) else {}
        return {**self.params, **form}

    def mentions(self, *words: str) -> bool:
        """Whether a word (in lower case) stands anywhere in what was sent."""
        sent = " ".join([self.path, str(dict(self.params)), str(dict(self.headers)), self.body]).lower()
        return any(word.lower() in sent for word in words)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class CallLog:
    calls: list[Call] = field(default_factory=list)
    sockets: list[tuple[str, str]] = field(default_factory=list)  # (exchange, path)
    messages: list[tuple[str, str]] = field(default_factory=list)  # (exchange, what a client sent by websocket)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **given: Any) -> Call:
        with self._lock:
            call = Call(number=len(self.calls) + 1, **given)
            self.calls.append(call)
        return call

    def of(self, path: str = "", *, exchange: str = "", method: str = "", since: int = 0) -> list[Call]:
        """Calls whose path holds `path`, after the call number `since`."""
        return [
            call
            for call in self.calls[since:]
            if path in call.path
            and (not exchange or call.exchange == exchange)
            and (not method or call.method == method)
        ]

    def count(self, path: str = "", **where: Any) -> int:
        return len(self.of(path, **where))

    def weight(self, since: int = 0) -> int:
        return sum(call.weight for call in self.calls[since:])

    @property
    def last(self) -> int:
        """The number of the newest call, for `since`."""
        return len(self.calls)

    def clear(self) -> None:
        with self._lock:
            self.calls.clear()
            self.sockets.clear()
            self.messages.clear()
