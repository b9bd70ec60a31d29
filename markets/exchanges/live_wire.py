"""One request to an exchange through a ccxt client, made once: what came of it, and what is proven where it failed.

Arithmetic is shielded: ccxt changes the thread's decimal context, and money is computed there.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from markets.domain.orders import Denied, Refused, Unknown

from . import live_answers

Result = TypeVar("Result")


class Wire:
    """Sees of each request of a client whether it left and with which status it was answered, thread by thread."""

    def __init__(self, client: Any) -> None:
        self._seen = threading.local()
        fetch, heard, parse = client.fetch, client.on_rest_response, client.parse_json

        def fetching(*args: Any, **kwargs: Any) -> Any:
            self._seen.sent, self._seen.status = True, None
            return fetch(*args, **kwargs)

        def hearing(code: int, *rest: Any) -> Any:
            self._seen.status = int(code)
            return heard(code, *rest)

        def parsing(text: str) -> Any:
            parsed = parse(text)
            self._seen.garbled = parsed is None
            return parsed

        client.fetch, client.on_rest_response, client.parse_json = fetching, hearing, parsing

    def forget(self) -> None:
        self._seen.sent, self._seen.status, self._seen.garbled = False, None, False

    @property
    def sent(self) -> bool:
        return getattr(self._seen, "sent", False)

    @property
    def status(self) -> int | None:
        return getattr(self._seen, "status", None)

    @property
    def garbled(self) -> bool:
        """Whether the answer is no JSON: ccxt hands such a text through as if it were one."""
        return getattr(self._seen, "garbled", False)


@contextmanager
def urgent(client: Any) -> Iterator[None]:
    """What is asked inside goes out when other requests already wait: orders, cancels, look-ups of orders."""
    gate = client.gate
    before = getattr(gate, "urgent", False)
    if gate is not None:
        gate.urgent = True
    try:
        yield
    finally:
        if gate is not None:
            gate.urgent = before


def wire(client: Any) -> Wire:
    """The observer of a client, put in place once."""
    found = getattr(client, "wire", None)
    if found is None:
        found = client.wire = Wire(client)
    return found


def attempt(client: Any, call: Callable[[], Result]) -> Result | Refused | Denied | Unknown:
    """Make one call, once. An error of any kind comes back as what it proves."""
    seen = wire(client)
    seen.forget()
    try:
        result = call()
    except Exception as error:  # ccxt raises what its parsers raise, too
        if seen.sent and seen.status is None and client.gate is not None:
            client.gate.failed(f"It cannot be reached ({type(error).__name__}).")
        return live_answers.failure(error, sent=seen.sent, status=seen.status)
    return Unknown("The venue answered, and the answer cannot be read.") if seen.garbled else result
