"""Writes and reads signs of life, so that every process sees which others live. Needs the database alone.

A part that is silent is told apart from a quiet market by its age; nothing is started or stopped here.
"""

from datetime import datetime

from .models import Heartbeat

GUARDIAN = "guardian"  # its own timer, in every mode
DISPATCHER = "dispatcher"  # beat, broker and the worker of `market` work together
CYCLES = "cycles"  # beat, broker and a worker of `cycles` work together


def beat(*, name: str, now: datetime) -> None:
    """The part `name` is alive at wall time `now`: one statement."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, at=now)], update_conflicts=True, unique_fields=["name"], update_fields=["at"]
    )


def last(name: str) -> datetime | None:
    """When the part last gave a sign of life, in wall time."""
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()


def ages(now: datetime) -> dict[str, float]:
    """Seconds since the last sign of life of each part that ever gave one."""
    return {row.name: max(0.0, (now - row.at).total_seconds()) for row in Heartbeat.objects.order_by("name")}
