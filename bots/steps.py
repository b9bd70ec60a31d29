"""The eleven steps of a cycle by name, and the log that times each of them.

The names are what users know; their order is fixed. A step may leave a note: one short sentence of what it found.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

STEPS = (
    "fetch market data",
    "compute indicators",
    "read the portfolio",
    "build the prompt",
    "get the decision",
    "validate with the risk manager",
    "execute",
    "update positions with current prices",
    "check stops and targets",
    "log everything",
    "wait for the next slot",
)


@dataclass(slots=True)
class Step:
    """One step: its name, its wall milliseconds and what it has to say."""

    name: str
    ms: float = 0.0
    note: str = ""

    def as_json(self) -> dict[str, str | float]:
        return {"name": self.name, "ms": round(self.ms, 2), "note": self.note}


@dataclass(slots=True)
class StepLog:
    """The steps taken so far."""

    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[Step]:
        """Time a step. Refuses a name out of order, so that no step is skipped or taken twice."""
        if name != STEPS[len(self.steps)]:
            raise ValueError(f"Step {len(self.steps) + 1} is «{STEPS[len(self.steps)]}», not «{name}».")
        step = Step(name)
        self.steps.append(step)
        begun = perf_counter()
        try:
            yield step
        finally:
            step.ms = (perf_counter() - begun) * 1000

    def as_json(self) -> list[dict[str, str | float]]:
        return [step.as_json() for step in self.steps]
