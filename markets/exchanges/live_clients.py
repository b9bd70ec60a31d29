"""Clients of accounts, kept: one for each key and thread, with the instruments of the exchange loaded once a process.

A client serves one thread at a time and takes megabytes of instruments; so threads have their own, and share those.
"""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from . import clients, live_calls

KEPT = 16  # clients in a thread
FRESH_SECONDS = 3600.0

_mine = threading.local()
_loading = threading.Lock()
_loaded: dict[tuple[str, bool], tuple[float, Any]] = {}


def of(exchange: str, *, credentials: Mapping[str, str], demo: bool = False, gate: clients.Gate | None = None) -> Any:
    """The client of a key in this thread, with instruments loaded. Raises UnknownExchange and Unanswered."""
    kept: OrderedDict[str, Any] = _mine.__dict__.setdefault("clients", OrderedDict())
    name = _name(exchange, credentials, demo)
    client = kept.pop(name, None)
    if client is None:
        client = clients.client(exchange, credentials=credentials, testnet=demo, gate=gate)
    kept[name] = client
    while len(kept) > KEPT:
        kept.popitem(last=False)
    client.set_markets_from_exchange(_instruments(exchange, demo, client))
    return client


def forget() -> None:
    """Make everything anew; clients of other threads stay until these end."""
    _mine.__dict__.clear()
    _loaded.clear()


def _instruments(exchange: str, demo: bool, client: Any) -> Any:
    """A client that holds the newest instruments. Loaded by one thread while the others wait for it."""
    with _loading:
        at, source = _loaded.get((exchange, demo), (0.0, None))
        if source is None or time.monotonic() - at > FRESH_SECONDS:
            source = client
            live_calls.asked(source, lambda: source.load_markets(True))
            _loaded[exchange, demo] = time.monotonic(), source
        return source


def _name(exchange: str, credentials: Mapping[str, str], demo: bool) -> str:
    """A name without a secret in it."""
    text = json.dumps([exchange, demo, sorted(credentials.items())])
    return hashlib.sha256(text.encode()).hexdigest()
