"""A bot's own answers again: what it said at each slot, under other limits, costs or prices. Pure, and for nothing.

It answers by the time of the market. At a slot for which nothing is kept it holds, and counts that.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bots.domain.briefing import Briefing


@dataclass(slots=True)
class Recorded:
    """`answers` by slot, in market time. One is given at most once, within an interval after its slot."""

    name: str
    answers: Mapping[datetime, dict[str, Any]] = field(repr=False)
    description: str = "What a bot has answered before."
    remote: bool = False
    _times: list[datetime] = field(init=False, repr=False)
    _given: set[datetime] = field(init=False, default_factory=set, repr=False)
    _missing: int = field(init=False, default=0, repr=False)

    def __post_init__(self) -> None:
        self._times = sorted(self.answers)

    def watch(self, _: object) -> None:
        """Another run begins: everything may be given again."""
        self._given, self._missing = set(), 0

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        place = bisect_right(self._times, briefing.now) - 1
        found = self._times[place] if place >= 0 else None
        late = timedelta(seconds=briefing.interval_seconds)
        if found is None or found in self._given or briefing.now - found >= late:
            self._missing += 1
            return {"summary": "Nothing is recorded at this slot.", "items": []}
        self._given.add(found)
        return self.answers[found]

    def told(self) -> dict[str, Any]:
        return {"asked": len(self._given), "known": len(self._given), "unrecorded": self._missing, "unanswered": 0}
