"""What made a result: code, data, limits, decider and seed as plain values, to make it again and to doubt it."""

import subprocess
from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings

from .engine import Setup
from .market import Listed, Market

_SECONDS = 5
_HERE = Path(__file__).resolve().parent


def provenance(market: Market, setup: Setup, **more: Any) -> dict[str, Any]:
    """Values for JSON, amounts as text. `more` is what a decider that is no code adds: its model and its prompt."""
    return {
        "version": str(getattr(settings, "VERSION", "unknown")),
        "commit": commit(),
        "data": fingerprint(market.listed),
        "decider": setup.decider.name,
        "options": options_of(setup.decider),
        "policy": {name: _plain(value) for name, value in asdict(setup.policy).items()},
        "seed": setup.seed,
        "timeframes": list(setup.timeframes),
        "interval_seconds": setup.interval // 1000,
        "walked": market.timeframe,
        **more,
    }


def commit() -> str:
    """The commit that runs, with «+» where files were changed since; «unknown» outside of a repository."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_HERE), *words], capture_output=True, text=True, timeout=_SECONDS, check=True
    )
    return done.stdout.strip()


def fingerprint(listed: Sequence[Listed]) -> str:
    """A SHA-256 over the rules, candles and funding of all instruments, warm-up included: other data, another hash."""
    digest = sha256()
    for one in listed:
        digest.update(repr(one.rules).encode())
        for name, candles in (("walked", one.candles), *sorted(one.series.items())):
            digest.update(name.encode())
            for column in candles.columns():
                digest.update(column.tobytes())
        digest.update(repr([(at, str(rate)) for at, rate in one.funding]).encode())
    return digest.hexdigest()


def options_of(decider: object) -> dict[str, Any]:
    """The options of a strategy in code, by name; nothing for others."""
    if not is_dataclass(decider):
        return {}
    shown = (field.name for field in fields(decider) if field.init and field.repr)
    return {name: _plain(getattr(decider, name)) for name in shown}


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return value if isinstance(value, int | float | str | bool) or value is None else str(value)
