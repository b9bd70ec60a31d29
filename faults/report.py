"""The outcome of the laboratory: one line for each fault, or one JSON object. Anything but zero losses is a failure."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .contract import Fault

if TYPE_CHECKING:
    from .recovery import Result

WIDTH = 34


@dataclass(slots=True)
class Outcome:
    """What became of one fault; `trouble` says why it was not produced as often as it was asked for."""

    fault: Fault
    asked: int
    results: "list[Result]" = field(default_factory=list)
    trouble: str = ""

    @property
    def losses(self) -> int:
        return sum(bool(result.lost) for result in self.results)

    @property
    def passed(self) -> bool:
        """An open fault is no failure; one that was not produced as often as asked is."""
        return not self.losses and len(self.results) == self.asked

    def line(self) -> str:
        named = f"{self.fault.number:6} {self.fault.title:{WIDTH}}"
        if not self.fault.scenario:
            return f"{named}    open   waits for {self.fault.waits_for}"
        told = f"{named}{len(self.results):4} runs {self.losses:3} losses"
        if self.results:
            middle, longest = self._seconds()
            told += f"   recovered after {middle:.1f} s, at most {longest:.1f} s"
        return told + (f"   NOT PRODUCED: {self.trouble}" if self.trouble else "")

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"fault": self.fault.number, "title": self.fault.title}
        if not self.fault.scenario:
            return told | {"open": self.fault.waits_for}
        middle, longest = self._seconds() if self.results else (None, None)
        lost = [{"run": result.note, "sentences": list(result.lost)} for result in self.results if result.lost]
        return told | {
            "asked": self.asked, "runs": len(self.results), "losses": self.losses, "median_seconds": middle,
            "most_seconds": longest, "lost": lost, "trouble": self.trouble,
        }  # fmt: skip

    def _seconds(self) -> tuple[float, float]:
        seconds = [result.seconds for result in self.results]
        return round(statistics.median(seconds), 2), round(max(seconds), 2)


def passed(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.passed for outcome in outcomes)


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps({"passed": passed(outcomes), "faults": [outcome.as_json() for outcome in outcomes]})
