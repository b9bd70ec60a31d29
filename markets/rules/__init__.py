"""The shipped rules: one JSON file per exchange, so that stored candles trade without a network.

Each file says in its head where its figures come from and of which date. Nothing here asks an exchange.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_TIER = ("floor", "maintenance_rate", "maintenance_amount", "max_leverage")


@cache
def shipped(exchange: str) -> dict[str, dict[str, Any]]:
    """The fields of each instrument of an exchange by symbol, tiers as `Instrument` stores them.

    Empty for an exchange without a file.
    """
    book = _book(exchange)
    if not book:
        return {}
    general = {name: book[name] for name in ("kind", "maker_fee", "taker_fee", "funding_hours")}
    tiers = {name: [_tier(row) for row in rows] for name, rows in book["tiers"].items()}
    return {row["symbol"]: {**general, **row, "tiers": tiers[row["tiers"]]} for row in book["instruments"]}


def tiers_dated(exchange: str, symbol: str, tiers: list[dict[str, Any]]) -> str:
    """The date (ISO 8601) of the file that these leverage tiers are from; empty where they are from none."""
    known = shipped(exchange).get(symbol)
    return str(_book(exchange)["as_of"]) if known is not None and known["tiers"] == tiers else ""


@cache
def _book(exchange: str) -> dict[str, Any]:
    path = FOLDER / f"{exchange}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _tier(row: list[Any]) -> dict[str, Any]:
    return dict(zip(_TIER, row, strict=True))
