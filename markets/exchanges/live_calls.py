"""Questions to an exchange through a ccxt client: asked again where there was no answer, for reading does no harm."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from markets.domain.orders import Denied, Refused, Unknown

from . import live_clock
from .base import KeyRefused, Unanswered
from .live_wire import attempt

Result = TypeVar("Result")
READS = 3
PAUSE_SECONDS = 0.25
BUSY = ("rate_limited", "overloaded")


def read(client: Any, call: Callable[[], Result]) -> Result | Refused:
    """The answer to a question, asked up to `READS` times. A refusal comes back. Raises Unanswered and KeyRefused."""
    for tried in range(1, READS + 1):
        answer = attempt(client, call)
        if isinstance(answer, Refused) and answer.code == "key_refused":
            raise KeyRefused(answer.message)
        if isinstance(answer, Denied) or (isinstance(answer, Refused) and answer.code in BUSY):
            raise Unanswered(answer.message)
        if isinstance(answer, Refused) and answer.code == "clock":
            live_clock.measure(client)
        elif not isinstance(answer, Unknown):
            return answer
        elif tried < READS:
            time.sleep(PAUSE_SECONDS * tried)
    assert isinstance(answer, Refused | Unknown)
    raise Unanswered(answer.message)


def asked(client: Any, call: Callable[[], Result]) -> Result:
    """The answer to a question that no venue has a reason to refuse. Raises Unanswered and KeyRefused."""
    answer = read(client, call)
    if isinstance(answer, Refused):
        raise Unanswered(answer.message)
    return answer


def rows(client: Any, call: Callable[[], Any]) -> list[Mapping[str, Any]]:
    """The same where the answer is a list of rows. What is something else says nothing. Raises Unanswered."""
    return listed(asked(client, call))


def rows_if_listed(client: Any, call: Callable[[], Any]) -> list[Mapping[str, Any]]:
    """The rows of an instrument; none where the exchange has forgotten it. Raises Unanswered and KeyRefused."""
    answer = read(client, call)
    if isinstance(answer, Refused) and answer.code == "not_listed":
        return []
    if isinstance(answer, Refused):
        raise Unanswered(answer.message)
    return listed(answer)


def listed(answer: Any) -> list[Mapping[str, Any]]:
    """The answer where it is a list of rows. Raises Unanswered."""
    if not isinstance(answer, list) or not all(isinstance(row, Mapping) for row in answer):
        raise Unanswered("The venue answered something else than a list of rows.")
    return list(answer)


def one(client: Any, call: Callable[[], Any]) -> Mapping[str, Any]:
    """The same where the answer is one row. Raises Unanswered."""
    answer = asked(client, call)
    if not isinstance(answer, Mapping):
        raise Unanswered("The venue answered something else than a row.")
    return answer
