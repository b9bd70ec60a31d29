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
from .base import Unanswered

KEPT = 16  # clients in a thread
FRESH_SECONDS = 3600.0
AGAIN_SECONDS = 60.0  # after a reload that got no answer

_mine = threading.local()
_loading: dict[tuple[str, bool], threading.Lock] = {}
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
    """A client that holds the instruments. The first thread loads them while others wait; later on nobody waits."""
    at, source = _loaded.get((exchange, demo), (0.0, None))
    if source is not None and time.monotonic() - at < FRESH_SECONDS:
        return source
    # One for each: an exchange that is slow with its instruments holds up nobody at another.
    loading = _loading.setdefault((exchange, demo), threading.Lock())
    if not loading.acquire(blocking=source is None):
        return source  # somebody is loading them anew; an order must not wait for that
    try:
        return _load(exchange, demo, client)
    except Unanswered:
        if source is None:
            raise
        _loaded[exchange, demo] = time.monotonic() - FRESH_SECONDS + AGAIN_SECONDS, source
        return source
    finally:
        loading.release()


def _load(exchange: str, demo: bool, client: Any) -> Any:
    at, source = _loaded.get((exchange, demo), (0.0, None))
    if source is None or time.monotonic() - at >= FRESH_SECONDS:
        live_calls.asked(client, lambda: client.load_markets(True))
        _loaded[exchange, demo] = time.monotonic(), client
        return client
    return source


def _name(exchange: str, credentials: Mapping[str, str], demo: bool) -> str:
    """A name without a secret in it."""
    text = json.dumps([exchange, demo, sorted(credentials.items())])
    return hashlib.sha256(text.encode()).hexdigest()
