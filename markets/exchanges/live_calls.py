"""One call to an exchange through a ccxt client: what is known when it fails, and which calls are repeated.

Only reads are repeated. Arithmetic is shielded: ccxt changes the thread's decimal context, and money is computed there.
"""

import threading
import time
from collections.abc import Callable
from decimal import localcontext
from typing import Any, TypeVar

from markets.domain.orders import Denied, Refused, Unknown

from . import live_answers
from .base import KeyRefused, Unanswered

Result = TypeVar("Result")
READS = 3
PAUSE_SECONDS = 0.25


class Wire:
    """Sees of each request of a client whether it left and with which status it was answered, thread by thread."""

    def __init__(self, client: Any) -> None:
        self._seen = threading.local()
        fetch, heard = client.fetch, client.on_rest_response

        def fetching(*args: Any, **kwargs: Any) -> Any:
            self._seen.sent, self._seen.status = True, None
            return fetch(*args, **kwargs)

        def hearing(code: int, *rest: Any) -> Any:
            self._seen.status = int(code)
            return heard(code, *rest)

        client.fetch, client.on_rest_response = fetching, hearing

    def forget(self) -> None:
        self._seen.sent, self._seen.status = False, None

    @property
    def sent(self) -> bool:
        return getattr(self._seen, "sent", False)

    @property
    def status(self) -> int | None:
        return getattr(self._seen, "status", None)


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
        with localcontext():
            return call()
    except Exception as error:  # ccxt raises what its parsers raise, too
        return live_answers.failure(error, sent=seen.sent, status=seen.status)


def read(client: Any, call: Callable[[], Result]) -> Result | Refused:
    """The answer to a question, asked up to `READS` times. A refusal comes back; raises Unanswered and KeyRefused."""
    for tried in range(1, READS + 1):
        answer = attempt(client, call)
        if isinstance(answer, Refused) and answer.code == "key_refused":
            raise KeyRefused(answer.message)
        if isinstance(answer, Refused) and answer.code in ("rate_limited", "overloaded"):
            raise Unanswered(answer.message)
        if isinstance(answer, Denied):
            raise Unanswered(answer.message)
        if not isinstance(answer, Unknown):
            return answer
        if tried < READS:
            time.sleep(PAUSE_SECONDS * tried)
    assert isinstance(answer, Unknown)
    raise Unanswered(answer.message)


def asked(client: Any, call: Callable[[], Result]) -> Result:
    """The answer to a question that no venue has a reason to refuse. Raises Unanswered and KeyRefused."""
    answer = read(client, call)
    if isinstance(answer, Refused):
        raise Unanswered(answer.message)
    return answer
