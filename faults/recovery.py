"""When the product has recovered from a fault, and what it has lost: what has not mended itself in time.

Dead processes are started again, as a service manager does it; otherwise the product is left alone.
"""

import time

from . import inspection
from .inspection import reliably
from .result import Result
from .stage import Stage
from .watch import FOUND

__all__ = ["Result", "look", "recovered", "settled", "silent", "unheard", "unprotected"]

# A part that beats its heart every second or two and has not been heard for so long counts as silent.
SILENT_SECONDS = 10.0


def settled(stage: Stage, since: int, fault: float, note: str, more: list[str] | None = None) -> Result:
    seconds, found = recovered(stage, since, fault)
    return Result(seconds, (*(more or []), *found), note)


def recovered(stage: Stage, since: int, fault: float) -> tuple[float, list[str]]:
    """Seconds from the monotonic time `fault` until every bot works again and nothing is amiss; what is amiss.

    Every bot has to end a cycle in order that is newer than the cycle `since`.
    """
    found: list[str] = []
    until = max(fault, time.monotonic()) + stage.patience
    while time.monotonic() < until:
        stage.start_again()
        found = reliably(lambda: inspection.idle(since) + silent(stage))
        if not found:
            seconds = time.monotonic() - fault
            found = look(stage)
            if not found:
                return seconds, []
            time.sleep(0.5)
        time.sleep(0.15)
    return time.monotonic() - fault, found + reliably(inspection.blocked)


def look(stage: Stage) -> list[str]:
    """Every broken invariant, seen between two instants, and what the market's own driver has seen."""
    found = reliably(inspection.look)
    seen = stage.control / FOUND
    return found + (seen.read_text().splitlines() if seen.exists() else [])


def silent(stage: Stage) -> list[str]:
    """The guardian, where it plays and nobody has heard it lately and since it was started."""
    started = stage.started("guardian")
    if not started or inspection.heart("guardian") > max(min(started), time.time() - SILENT_SECONDS):
        return []
    return ["The guardian gives no sign of life."]


def unprotected(seconds: float = 20.0) -> list[str]:
    """Positions that stay without a stop of their size for longer than it takes to place one."""
    until = time.monotonic() + seconds
    while bare := reliably(inspection.unprotected):
        if time.monotonic() > until:
            return bare
        time.sleep(0.1)
    return []


def unheard(name: str, since: float, seconds: float = 60.0) -> list[str]:
    """Whether a part of the product gave no sign of life between the Unix time `since` and the end of patience."""
    until = time.monotonic() + seconds
    while reliably(lambda: inspection.heart(name)) < since:
        if time.monotonic() > until:
            return [f"The {name} gave no sign of life."]
        time.sleep(0.1)
    return []
