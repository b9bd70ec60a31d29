"""Asks a language model over the OpenAI protocol: one request, one reply or one trouble. Never raises for either.

Workers only: the client is loaded at the first question. Nothing here knows bots, budgets or the database.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from bots.domain.reading import cleaned
from bots.domain.usage import Usage
from bots.domain.usage import read as read_usage

from .language_models import troubles, wire
from .language_models.asking_form import TOOL, Endpoint
from .language_models.troubles import Trouble, scrubbed

LONGEST_KEPT = 200_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said. `text` is cleaned of what no database stores; `usage` is None where it was not told."""

    text: str
    reasoning: str = ""
    usage: Usage | None = None
    finish_reason: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: exactly one of `reply` and `trouble` is there."""

    latency_ms: float
    reply: Reply | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `parameters` is everything but model and messages; `seconds` is the time for all of it."""

    endpoint: Endpoint
    messages: Sequence[Mapping[str, str]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 25.0


def ask(request: Request) -> Asked:
    """Send one request and wait for its end, for at most its seconds."""
    begun = perf_counter()
    try:
        found: Reply | Trouble = _ask(request)
    except Exception as error:  # The client's own mistakes are troubles too: a cycle must end in order.
        found = Trouble("client", f"The request could not be made: {type(error).__name__}.", sent=True)
    latency = (perf_counter() - begun) * 1000
    if isinstance(found, Reply):
        return Asked(latency, reply=found)
    return Asked(latency, trouble=found)


def _ask(request: Request) -> Reply | Trouble:
    import openai

    endpoint, host = request.endpoint, host_of(request.endpoint.base_url)
    try:
        with _client(endpoint, request.seconds) as client:
            raw = client.chat.completions.with_raw_response.create(
                model=endpoint.model,
                messages=list(request.messages),
                **request.parameters,
            )
            return _reply(raw.http_response.content, raw.headers, endpoint, host)
    except openai.APIStatusError as error:
        return troubles.of_status(
            error.status_code, error.response.text, error.response.headers,
            model=endpoint.model, host=host, key=endpoint.key, now=datetime.now(UTC),
        )  # fmt: skip
    except openai.APITimeoutError:
        text = f"{host} did not answer within {request.seconds:.0f} s."
        return Trouble("timeout", text, sent=True)
    except (openai.APIConnectionError, wire.TooLong, wire.Packed) as error:
        return _broken(error, host)


def _broken(error: BaseException, host: str) -> Trouble:
    for one in (error, error.__cause__):
        if isinstance(one, wire.TooLong):
            text = f"The answer of {host} is larger than {wire.MOST_BYTES // 1_000_000} MB and was cut off."
            return Trouble("too_long", text, sent=True, provider_wide=False)
        if isinstance(one, wire.Packed):
            return Trouble("unreadable_reply", f"{host} sent an answer in an encoding nobody asked for.", sent=True)
    if not wire.left():
        return Trouble("timeout", f"{host} did not answer in time.", sent=True)
    return troubles.of_connection(error, host)


def _client(endpoint: Endpoint, seconds: float) -> Any:
    import httpx2
    import openai

    nobody = openai.Omit()
    plain: Any = {"Accept-Encoding": "identity", "OpenAI-Organization": nobody, "OpenAI-Project": nobody}
    return openai.OpenAI(
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        # What this machine's environment names as organisation, project or webhook is not meant for every provider.
        organization="",
        project="",
        default_headers=plain,
        max_retries=0,
        timeout=seconds,
        http_client=httpx2.Client(
            transport=wire.transport(seconds), timeout=seconds, follow_redirects=False, trust_env=False
        ),
    )


def _reply(content: bytes, headers: Mapping[str, str], endpoint: Endpoint, host: str) -> Reply | Trouble:
    """The reply in a body that came with status 200, whatever is missing or wrong in it."""
    request_id = cleaned(headers.get("x-request-id", ""), 120)
    try:
        body = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        text = f"{host} did not answer in the OpenAI protocol: check the base URL (most end with /v1)."
        return Trouble("unreadable_reply", text, sent=True, request_id=request_id)
    choice = _first(body.get("choices") if isinstance(body, dict) else None)
    message = choice.get("message") if isinstance(choice.get("message"), dict) else None
    if message is None:
        return _no_choice(body, endpoint, host, request_id)
    text = _spoken(message)
    return Reply(
        text=scrubbed(cleaned(text), endpoint.key) if endpoint.key else cleaned(text),
        reasoning=scrubbed(cleaned(_reasoning(message), LONGEST_KEPT), endpoint.key),
        usage=read_usage(body.get("usage")),
        finish_reason=cleaned(_text(choice.get("finish_reason")), 40),
        request_id=request_id or cleaned(_text(body.get("id")), 120),
    )


def _no_choice(body: Any, endpoint: Endpoint, host: str, request_id: str) -> Trouble:
    """Some gateways report an error with status 200."""
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(error, dict):
        code = error.get("code")
        status = code if isinstance(code, int) and 400 <= code < 600 else 502
        return troubles.of_status(
            status, json.dumps(error), {}, model=endpoint.model, host=host, key=endpoint.key, now=datetime.now(UTC)
        )
    return Trouble("unreadable_reply", f"{host} answered without a choice.", sent=True, request_id=request_id)


def _spoken(message: Mapping[str, Any]) -> str:
    """The arguments of the tool that was asked for, else the content; its parts are joined."""
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and function.get("name") == TOOL:
            arguments = function.get("arguments")
            return arguments if isinstance(arguments, str) else json.dumps(arguments)
    content = message.get("content")
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return _text(content) or _text(message.get("refusal"))


def _reasoning(message: Mapping[str, Any]) -> str:
    return _text(message.get("reasoning_content")) or _text(message.get("reasoning"))


def _first(value: Any) -> dict[str, Any]:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def host_of(base_url: str) -> str:
    """The host of an address, as sentences name it."""
    return urlsplit(base_url).netloc or base_url
