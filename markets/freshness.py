"""How live data stand, for pages and the API: where they come from, how old each part is, and what was not let in.

Reads rows that the driver of an exchange writes; it asks nobody and changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .models import Breaker, DataAge, ExchangeState, Instrument, RefusedData

SETTLED = "settled "  # and a feed: until when funding was settled there, which is no age


@dataclass(frozen=True, slots=True)
class PartAge:
    """One part of what is known of an instrument: `seconds` since the time the data themselves carry."""

    part: str
    seconds: float
    source: str


def of_instrument(instrument: Instrument, now: datetime) -> list[PartAge]:
    """The age of each part at wall time `now`, by name; empty where no live market brings it. One statement."""
    told = DataAge.objects.filter(instrument=instrument).exclude(part__startswith=SETTLED)
    rows = told.order_by("part").values_list("part", "at", "source")
    return [PartAge(part, (now - at).total_seconds(), source) for part, at, source in rows]


def of_exchange(exchange: str, now: datetime) -> dict[str, Any] | None:
    """Source, breaker and clock of an exchange and what it refused, as plain values; None where it was never asked."""
    state = ExchangeState.objects.filter(exchange=exchange).first()
    if state is None:
        return None
    refused = RefusedData.objects.filter(exchange=exchange).order_by("-last_at", "-pk")
    return {
        "exchange": exchange,
        "source": state.source,
        "breaker": state.breaker,
        "reason": state.reason,
        "open_until": state.open_until,
        "wait_until": state.wait_until if state.wait_until and state.wait_until > now else None,
        "clock_offset_ms": state.clock_offset_ms,
        "refused": list(refused.values("symbol", "part", "reason", "count", "last_at", "example")[:20]),
    }


def trouble(exchange: str) -> str:
    """What is wrong with an exchange, in one sentence; empty while it answers."""
    state = ExchangeState.objects.filter(exchange=exchange).exclude(breaker=Breaker.CLOSED).first()
    if state is None:
        return ""
    until = f" until {state.open_until:%H:%M:%S}" if state.open_until else ""
    return f"{exchange} is left alone{until}: {state.reason}"
