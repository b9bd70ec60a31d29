"""What a call used and what that costs. Counts come from providers and are not trusted: what cannot be is unknown.

Money is US dollars as Decimal at twelve decimals, rounded up: a price per million tokens never becomes zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

MILLION = Decimal(1_000_000)
UNIT = Decimal("0.000000000001")
MOST = 100_000_000  # tokens of one call; above it nobody counted
BYTES_PER_TOKEN = Decimal("1.6")  # fewer than the densest text of numbers that was measured (1.8 characters)
AROUND = 200  # what a provider adds around messages


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `cached` is a part of `input`, `reasoning` a part of `output`."""

    input: int
    cached: int
    output: int
    reasoning: int

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens; None where nobody has said."""

    input: Decimal | None = None
    cached: Decimal | None = None
    output: Decimal | None = None
    reasoning: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal | None:
        """None where a price that it needs is unknown."""
        if self.input is None or self.output is None:
            return None
        cached = self.input if self.cached is None else self.cached
        reasoning = self.output if self.reasoning is None else self.reasoning
        total = (
            (usage.input - usage.cached) * self.input
            + usage.cached * cached
            + (usage.output - usage.reasoning) * self.output
            + usage.reasoning * reasoning
        )
        return (total / MILLION).quantize(UNIT, ROUND_CEILING)

    def worst(self, input_tokens: int, output_tokens: int) -> Decimal | None:
        """What a call may cost at most: nothing cached, every token at its dearest."""
        if self.input is None or self.output is None:
            return None
        output = max(self.output, self.reasoning or self.output)
        dearest = max(self.input, self.cached or self.input)
        return ((input_tokens * dearest + output_tokens * output) / MILLION).quantize(UNIT, ROUND_CEILING)


def read(raw: object) -> Usage | None:
    """The usage as a provider reported it, whichever of the spellings it uses; None where it makes no sense.

    Some leave reasoning out of the completion and count it in the total only: the total decides.
    """
    if not isinstance(raw, Mapping):
        return None
    asked, spoken = _count(raw.get("prompt_tokens")), _count(raw.get("completion_tokens"))
    if asked is None or spoken is None:
        return None
    reasoning = _inside(raw, "completion_tokens_details", "reasoning_tokens")
    cached = _inside(raw, "prompt_tokens_details", "cached_tokens")
    if cached is None:
        cached = _count(raw.get("prompt_cache_hit_tokens"))
    total = _count(raw.get("total_tokens")) or 0
    output = max(spoken, total - asked)
    if reasoning is not None and reasoning > output:
        output = spoken + reasoning
    return Usage(asked, min(cached or 0, asked), output, min(reasoning or 0, output))


def most_tokens(text_bytes: int) -> int:
    """More tokens than a text of so many bytes can be, what is put around it included."""
    return int((text_bytes / BYTES_PER_TOKEN).to_integral_value(ROUND_CEILING)) + AROUND


def _inside(raw: Mapping[str, Any], details: str, name: str) -> int | None:
    inner = raw.get(details)
    return _count(inner.get(name)) if isinstance(inner, Mapping) else None


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
        return None
    return value
