"""What can go wrong with a call, each as a code and one sentence that a person can act on.

`repeat` says whether the same question may go to the same provider again; `sent` whether the provider may have worked
for it, so that its cost is unknown.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

LONGEST = 220
_SECRET = re.compile(r"\b(?:sk|key|pk|xai|gsk|AIza)[-_]?[A-Za-z0-9_*.-]{12,}")
_QUOTA = (
    "insufficient_quota",
    "billing",
    "credit balance",
    "insufficient balance",
    "payment",
    "exceeded your current quota",
)
_CONTEXT = (
    "context_length",
    "context length",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "context window",
    "exceed_context",
)
_MODEL = (
    "model_not_found",
    "does not exist",
    "not found",
    "unknown model",
    "invalid model",
    "no such model",
    "not a valid model",
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A call without an answer. `after` is how long the provider asks to wait, in seconds."""

    code: str
    text: str
    repeat: bool = False
    sent: bool = False
    after: float | None = None
    status: int | None = None
    provider_wide: bool = True
    request_id: str = ""


def scrubbed(text: str, key: str, longest: int | None = None) -> str:
    """Somebody else's text without the key and without what looks like one."""
    if key:
        text = text.replace(key, "***")
    return _SECRET.sub("***", text)[:longest]


def of_status(
    status: int, body: str, headers: Mapping[str, str], *, model: str, host: str, key: str, now: datetime
) -> Trouble:
    """What an answer with an error status means."""
    message = said(body, key)
    lower = f"{message} {body[:2000]}".lower()
    after = retry_after(headers, now)
    request_id = headers.get("x-request-id", "")[:120]

    def trouble(code: str, text: str, **more: Any) -> Trouble:
        told = f" It says: {message}" if message else ""
        return Trouble(code, (text + told)[:400], status=status, request_id=request_id, **more)

    if status == 402 or (status in (403, 429) and any(word in lower for word in _QUOTA)):
        return trouble("quota", f"The quota or credit at {host} is used up: top it up or choose another model.")
    if status == 401:
        return trouble("wrong_key", f"{host} does not accept the key: enter a valid one for this provider.")
    if status == 403:
        return trouble("forbidden", f"{host} does not let this key use {model}: check its permissions and region.")
    if status in (400, 413, 422) and any(word in lower for word in _CONTEXT):
        text = f"The question is too long for {model}: give the bot fewer instruments or a model with more context."
        return trouble("too_long_question", text, provider_wide=False)
    if status == 404 or (status == 400 and "model" in lower and any(word in lower for word in _MODEL)):
        text = f"{host} knows no model {model!r} at this address: check the model's name and the base URL."
        return trouble("unknown_model", text, provider_wide=False)
    if status == 429:
        return trouble("rate_limit", f"{host} asks for fewer calls.", repeat=True, after=after)
    if status in (408, 409) or status >= 500:
        return trouble("provider_down", f"{host} answers with an error ({status}).", repeat=True, after=after)
    if 300 <= status < 400:
        return trouble("moved", f"{host} sends its callers elsewhere ({status}): check the base URL.")
    return trouble("refused", f"{host} refuses the request ({status}).", provider_wide=False)


def said(body: str, key: str) -> str:
    """The provider's own words in an error body, short, on one line and without secrets."""
    found = re.search(r'"message"\s*:\s*"((?:[^"\\]|\\.){1,1000})"', body)
    words = found[1].replace('\\"', '"').replace("\\n", " ") if found else "" if "<" in body[:200] else body[:1000]
    clean = "".join(c if c.isprintable() else " " for c in scrubbed(words, key)).strip()
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…"


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that a provider asks to wait, from `retry-after-ms` or `retry-after` (seconds or a date)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) * unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < 1e6 else None
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max((at.astimezone(UTC) - now).total_seconds(), 0.0)


def of_connection(error: BaseException, host: str) -> Trouble:
    """What a failed connection means, from the innermost reason there is."""
    reasons = " ".join(f"{type(one).__name__} {one}" for one in _chain(error))
    lower = reasons.lower()
    if "certificate" in lower or "ssl" in lower or "tls" in lower:
        return Trouble("tls", f"No secure connection to {host}: its certificate or TLS is not accepted.")
    if "getaddrinfo" in lower or "name or service" in lower or "name resolution" in lower or "nodename" in lower:
        return Trouble("unreachable", f"There is no host {host}: check the base URL and the name server.", repeat=True)
    if "ConnectError" in reasons or "refused" in lower or "unreachable" in lower:
        return Trouble("unreachable", f"{host} cannot be reached: is its server running?", repeat=True)
    return Trouble("cut_connection", f"{host} cut the connection before it had answered.", repeat=True, sent=True)


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found
