"""Reads what the machine tells the product: files, providers, exchange accounts, and keys it keeps.

It refuses to judge the values; `problems` does that, before the first of them is used.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import environ

Named = dict[str, dict[str, str]]

PROVIDER_VARIABLE = re.compile(r"^(?!ACCOUNT_)([A-Z][A-Z0-9_]*?)_(API_KEY|BASE_URL|MODEL)$")
ACCOUNT_VARIABLE = re.compile(
    r"^ACCOUNT_([A-Z][A-Z0-9_]*?)_"
    r"(EXCHANGE|WALLET_ADDRESS|PRIVATE_KEY|API_KEY|API_SECRET|KEY|SECRET|PASSWORD|CURRENCY|TESTNET)$"
)


def given(base: Path) -> dict[str, str]:
    """All variables with a value; the process's own win over `.env.local`, which wins over `.env`."""
    if os.environ.get("ENVIRONMENT") != "testing":
        for name in (".env.local", ".env"):
            if (base / name).is_file():
                environ.Env.read_env(base / name)
    # A compose file passes unset variables as empty ones; both mean "not given".
    return {name: value for name, value in os.environ.items() if value.strip()}


def providers(values: Mapping[str, str]) -> Named:
    """Language model providers that have a key: `OPENAI_API_KEY` names `openai`."""
    found = _named(PROVIDER_VARIABLE, values.items())
    return {name: fields for name, fields in found.items() if "api_key" in fields}


def exchange_accounts(values: Mapping[str, str]) -> Named:
    """Exchange accounts: `ACCOUNT_MAIN_EXCHANGE` and `ACCOUNT_MAIN_KEY` describe `main`."""
    return _named(ACCOUNT_VARIABLE, values.items())


def exchange_urls(values: Mapping[str, str]) -> dict[str, str]:
    """Where to reach an exchange instead of at its own address: `EXCHANGE_URL_OKX` for okx."""
    prefix = "EXCHANGE_URL_"
    return {name.removeprefix(prefix).lower(): url for name, url in values.items() if name.startswith(prefix)}


def _named(pattern: re.Pattern[str], variables: Iterable[tuple[str, str]]) -> Named:
    found: Named = {}
    for variable, value in variables:
        if match := pattern.match(variable):
            name, field = match[1].lower(), match[2].lower()
            found.setdefault(name, {})[field] = value
    return found


def kept_key(folder: Path, name: str, make: Callable[[], str]) -> str:
    """The key stored under this name, made at the first start and readable by its owner alone."""
    path = folder / name
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, make())
    return path.read_text().strip()


def _write_once(path: Path, text: str) -> None:
    # Two processes may start together: the link is taken by exactly one, and never half written.
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(draft)
