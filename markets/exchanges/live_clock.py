"""How far this machine's clock is from the exchange's: measured, told when it is much, and used for every signature."""

import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from markets.domain.orders import Denied, Refused, Unknown

from . import live_parsing
from .base import Unanswered
from .live_wire import attempt

# Beyond it somebody should look at the clock of this machine: orders still pass, because the offset is used.
ALARM_MS = 500
STALE_SECONDS = 600.0
AGAIN_SECONDS = 30.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drift:
    """`offset_ms` is the exchange's time minus ours; `measured` is on the monotonic clock."""

    offset_ms: int
    measured: float

    @property
    def alarming(self) -> bool:
        return abs(self.offset_ms) > ALARM_MS


def measure(client: Any) -> Drift:
    """Ask the exchange for its time and set the client's clock by it. Raises Unanswered."""
    began, ours = time.monotonic(), _wall()
    theirs = attempt(client, client.fetch_time)
    if isinstance(theirs, Refused | Denied | Unknown):
        raise Unanswered(theirs.message)
    if not isinstance(theirs, int):
        raise Unanswered("The venue told no time.")
    taken = (time.monotonic() - began) * 1000
    drift = Drift(round(theirs - (ours + taken / 2)), time.monotonic())
    client.drift, client.options["timeDifference"] = drift, -drift.offset_ms
    if drift.alarming:
        log.warning("The clock of this machine differs from the exchange's by %s ms.", drift.offset_ms)
    return drift


def known(client: Any) -> Drift:
    """The newest measurement; made anew when it is old. Raises Unanswered."""
    drift: Drift | None = getattr(client, "drift", None)
    if drift is not None and time.monotonic() - drift.measured <= STALE_SECONDS:
        return drift
    try:
        return measure(client)
    except Unanswered:
        if drift is None:
            raise
        # The old measurement serves until the next try; who is wrong by much is refused, and measures then.
        client.drift = replace(drift, measured=time.monotonic() - STALE_SECONDS + AGAIN_SECONDS)
        return drift


def venue_now(client: Any) -> int:
    """The exchange's time in milliseconds. Raises Unanswered."""
    return _wall() + known(client).offset_ms


def at_venue(client: Any, at: datetime) -> int:
    """One of our wall times in the exchange's milliseconds. Raises Unanswered."""
    return live_parsing.milliseconds(at) + known(client).offset_ms


def _wall() -> int:
    return live_parsing.milliseconds(datetime.now(UTC))
