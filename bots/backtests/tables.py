"""Closed positions in groups: by instrument, side, exit, entry, day, week and month. Pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ledger.domain import performance
from markets.domain.rounding import ZERO

from .records import Position

Table = dict[str, dict[str, Any]]
Key = Callable[[Position], str]

_NUMBER = re.compile(r"[-−+]?\d[\d,]*\.\d+")
_LONGEST_TAG = 60


def tag(reason: str) -> str:
    """What an entry was called: its reason up to the first colon, semicolon or full stop, numbers taken out.

    So "Trend up: EMA20 101.5 above …" is counted as "Trend up", and entries of one kind stand in one line.
    """
    head = re.split(r"[:;]\s|\.\s|\.$", reason.strip(), maxsplit=1)[0]
    words = " ".join(_NUMBER.sub("…", head).split())
    return words[:_LONGEST_TAG] or "without a reason"


GROUPS: Mapping[str, Key] = {
    "instrument": lambda position: position.symbol,
    "side": lambda position: "long" if position.long else "short",
    "exit_reason": lambda position: position.exit_reason,
    "month": lambda position: f"{position.closed_at:%Y-%m}",
}
MORE: Mapping[str, Key] = {
    "entry_tag": lambda position: tag(position.reason),
    "week": lambda position: f"{position.closed_at:%G-W%V}",
    "day": lambda position: f"{position.closed_at:%Y-%m-%d}",
}


def tables(closed: Sequence[Position], groups: Mapping[str, Key] = GROUPS) -> dict[str, Table]:
    return {name: table(closed, key) for name, key in groups.items()}


def table(closed: Sequence[Position], key: Key) -> Table:
    """Trades, net result, win rate, fees and funding of closed positions, grouped by `key`, in its order."""
    groups: dict[str, list[Position]] = defaultdict(list)
    for position in closed:
        groups[key(position)].append(position)
    return {name: _row(groups[name]) for name in sorted(groups)}


def _row(group: Sequence[Position]) -> dict[str, Any]:
    nets = [position.net for position in group]
    return {
        "trades": len(group),
        "net": float(sum(nets, ZERO)),
        "win_rate": _number(performance.win_rate(nets)),
        "fees": float(sum((position.figures.fees for position in group), ZERO)),
        "funding": float(sum((position.funding for position in group), ZERO)),
    }


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
