"""How a question is put: which form the answer must have, and the parameters of the request.

The ladder goes from what the provider enforces to plain text. A form or parameter that the provider has refused is
left out from then on.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bots.domain.prompt import Prompt

TOOL = "decide"
TOKEN_LIMITS = ("max_completion_tokens", "max_tokens")


class Form(StrEnum):
    """SCHEMA: enforced by the provider. JSON: any object. TOOL: the arguments of a call. TEXT: as it comes."""

    SCHEMA = "schema"
    JSON = "json"
    TOOL = "tool"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Whom to ask and what it takes. The key is in no text that is made of this value."""

    base_url: str
    key: str
    model: str
    takes: frozenset[str]
    most_output: int
    token_limit: str = "max_completion_tokens"
    effort: str = ""
    temperature: Decimal | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url}, {self.model})"


def forms(endpoint: Endpoint, refused: Collection[str]) -> list[Form]:
    """The forms to try, best first."""
    offered = {Form.SCHEMA: "schema", Form.JSON: "json", Form.TOOL: "tools"}
    found = [form for form, ability in offered.items() if ability in endpoint.takes and form.value not in refused]
    return [*found, Form.TEXT]


def messages(prompt: Prompt, form: Form, schema: Mapping[str, Any]) -> list[dict[str, str]]:
    """System first, and its end tells the form where the provider does not enforce it."""
    system = prompt.system
    if form in (Form.JSON, Form.TEXT):
        written = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        system += f"\n\nAnswer with one JSON object and nothing else. Its JSON schema: {written}"
    elif form == Form.TOOL:
        system += f"\n\nAnswer by calling the tool {TOOL} once."
    return [{"role": "system", "content": system}, {"role": "user", "content": prompt.user}]


def parameters(endpoint: Endpoint, form: Form, schema: Mapping[str, Any], refused: Collection[str]) -> dict[str, Any]:
    """Everything of the request but model and messages."""
    found: dict[str, Any] = {}
    limit = next((name for name in _limits(endpoint) if name not in refused), None)
    if limit:
        found[limit] = endpoint.most_output
    if endpoint.effort and "reasoning_effort" not in refused:
        found["reasoning_effort"] = endpoint.effort
    if endpoint.temperature is not None and "temperature" not in refused:
        found["temperature"] = float(endpoint.temperature)
    if form == Form.SCHEMA:
        named = {"name": "answer", "strict": True, "schema": schema}
        found["response_format"] = {"type": "json_schema", "json_schema": named}
    elif form == Form.JSON:
        found["response_format"] = {"type": "json_object"}
    elif form == Form.TOOL:
        function = {"name": TOOL, "description": "Give the decision.", "parameters": schema}
        found["tools"] = [{"type": "function", "function": function}]
        found["tool_choice"] = {"type": "function", "function": {"name": TOOL}}
    return found


def _limits(endpoint: Endpoint) -> Sequence[str]:
    if endpoint.token_limit not in TOKEN_LIMITS:
        return ()
    return (endpoint.token_limit, *(name for name in TOKEN_LIMITS if name != endpoint.token_limit))


def told(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters for the record: the schema is the same everywhere and is left out."""
    record = dict(given)
    if "response_format" in record:
        record["response_format"] = record["response_format"]["type"]
    if "tools" in record:
        record["tools"], record["tool_choice"] = TOOL, TOOL
    return record


def refusal_in(message: str, sent: Mapping[str, Any], form: Form) -> str | None:
    """What of a request a provider's message says it does not take: a form or a parameter's name; else None."""
    lower = message.lower()
    for name in (*TOKEN_LIMITS, "reasoning_effort", "temperature"):
        # «Use max_completion_tokens instead of max_tokens» names both; only what was sent can be refused.
        if name in sent and name in lower:
            return name
    hints = {
        Form.SCHEMA: ("response_format", "json_schema", "schema", "structured output"),
        Form.JSON: ("response_format", "json_object", "json mode", "json"),
        Form.TOOL: ("tool", "function"),
    }
    return form.value if any(hint in lower for hint in hints.get(form, ())) else None
