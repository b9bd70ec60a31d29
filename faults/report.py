"""The outcome of the laboratory: one line for each fault, or one JSON object. Anything but zero losses is a failure."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ledger.domain.bare_times import BareTimes, bare_times

from .contract import Fault
from .result import Result

WIDTH = 34


@dataclass(slots=True)
class Outcome:
    """What became of one fault; `trouble` says why it was not produced as often as it was asked for.

    `bare` are the seconds that each position had no stop while the guardian lived, `bereft` where it died.
    """

    fault: Fault
    asked: int
    results: list[Result] = field(default_factory=list)
    trouble: str = ""
    bare: list[float] = field(default_factory=list)
    bereft: list[float] = field(default_factory=list)

    @property
    def losses(self) -> int:
        return sum(bool(result.lost) for result in self.results)

    @property
    def passed(self) -> bool:
        """An open fault is no failure; one that was not produced as often as asked is."""
        return not self.losses and len(self.results) == self.asked

    def join(self, other: "Outcome") -> None:
        """The same fault, produced somewhere else as well."""
        self.asked += other.asked
        self.results += other.results
        self.bare += other.bare
        self.bereft += other.bereft
        self.trouble = "; ".join(filter(None, (self.trouble, other.trouble)))

    def line(self) -> str:
        named = f"{self.fault.number:6} {self.fault.title:{WIDTH}}"
        if not self.fault.scenario:
            return f"{named}    open   waits for {self.fault.waits_for}"
        told = f"{named}{len(self.results):4} runs {self.losses:3} losses"
        if self.results:
            middle, longest = self._seconds()
            told += f"   recovered after {middle:.1f} s, at most {longest:.1f} s"
        told += f"   NOT PRODUCED: {self.trouble}" if self.trouble else ""
        return "\n".join([told, *(f"{'':6}   {more}" for more in self._details())])

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"fault": self.fault.number, "title": self.fault.title}
        if not self.fault.scenario:
            return told | {"open": self.fault.waits_for}
        middle, longest = self._seconds() if self.results else (None, None)
        lost = [{"run": result.note, "sentences": list(result.lost)} for result in self.results if result.lost]
        return told | {
            "asked": self.asked, "runs": len(self.results), "losses": self.losses, "median_seconds": middle,
            "most_seconds": longest, "lost": lost, "trouble": self.trouble, "points": dict(self.points),
            "without_stop": _figures(self.bare),
            "without_stop_guardian_died": _figures(self.bereft),
        }  # fmt: skip

    @property
    def points(self) -> Counter[str]:
        """How often somebody died at each point."""
        return Counter(point for result in self.results for point in result.points)

    def _details(self) -> Iterator[str]:
        if points := self.points:
            fewest, most = min(points.values()), max(points.values())
            yield f"{points.total()} kills at {len(points)} points, {fewest} to {most} at each"
        for how, seconds in (("while the guardian lived", self.bare), ("where the guardian died", self.bereft)):
            if bare := bare_times(seconds):
                yield f"without a stop {how}: {_told(bare)}"

    def _seconds(self) -> tuple[float, float]:
        seconds = [result.seconds for result in self.results]
        return round(statistics.median(seconds), 2), round(max(seconds), 2)


def passed(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.passed for outcome in outcomes)


def _told(bare: BareTimes) -> str:
    return f"p99 {bare.p99:.1f} s, at most {bare.longest:.1f} s of {bare.positions} positions"


def _figures(seconds: Sequence[float]) -> dict[str, Any] | None:
    found = bare_times(seconds)
    return asdict(found) if found else None


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps({"passed": passed(outcomes), "faults": [outcome.as_json() for outcome in outcomes]})
