"""Starting points for providers and models that are known by name: addresses, abilities, prices a person must check.

A model that is not listed gets the abilities of its provider and no price: its cost is unknown, not zero.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("presets.json")
EVERYTHING = ("schema", "json", "tools")


@dataclass(frozen=True, slots=True)
class ProviderPreset:
    """`keyless` are servers of one's own. `default_model` is empty where nobody can guess it."""

    name: str
    base_url: str
    default_model: str
    keyless: bool
    fields: dict[str, Any] = field(default_factory=dict)


def prices_of() -> str:
    """The month whose price lists the presets have, such as 2025-11."""
    return str(_file()["prices_of"])


def names() -> tuple[str, ...]:
    return tuple(_file()["providers"])


def provider(name: str) -> ProviderPreset | None:
    """The preset of this name; None where there is none."""
    found = _file()["providers"].get(name)
    if found is None:
        return None
    return ProviderPreset(name, found["base_url"], found["default_model"], found.get("keyless", False), found)


def model_ids(provider_name: str) -> tuple[str, ...]:
    """The models listed for a provider of this name."""
    return tuple(_file()["providers"].get(provider_name, {}).get("models", {}))


def model_fields(provider_name: str, model_id: str) -> dict[str, Any]:
    """Columns of a LanguageModel row: abilities, and prices where the model is listed."""
    preset = _file()["providers"].get(provider_name, {})
    known = preset.get("models", {}).get(model_id, {})
    takes = preset.get("takes", EVERYTHING)
    found: dict[str, Any] = {f"takes_{ability}": ability in takes for ability in EVERYTHING}
    found["token_limit"] = preset.get("token_limit", "max_tokens")
    for column, source in (("most_output", known), ("call_seconds", preset)):
        if column in source:
            found[column] = source[column]
    for column, name in (("price_input", "input"), ("price_cached", "cached"), ("price_output", "output")):
        found[column] = Decimal(known[name]) if name in known else None
    if "context" in known:
        found["context_tokens"] = known["context"]
    found["effort"] = known.get("effort", "")
    found["temperature"] = Decimal(known["temperature"]) if "temperature" in known else None
    return found


@cache
def _file() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded
