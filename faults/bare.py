"""Seconds that positions were without a stop at their venue, as the ledger has them, over the runs of a fault.

Where the guardian died meanwhile they are counted by themselves: then they hold what it takes to start it again.
"""

from dataclasses import dataclass, field

from .inspection import query, reliably
from .stage import Stage

# One that was closed without a stop was without one until then. Only live accounts: a simulated market waits for the
# work of each instant, and its driver looks for gaps before every step.
POSITIONS = (
    "select p.id, unprotected_seconds + greatest(0, coalesce(extract(epoch from closed_at - unprotected_since), 0))"
    " from ledger_position p join ledger_account a on a.id = p.account_id"
    " where a.kind = 'live' and opened_at is not null and intent_id is not null order by p.id"
)


@dataclass(slots=True)
class Bare:
    """Positions by the stage's number and their own; each counts once, with all the seconds that it has come to."""

    seconds: dict[tuple[int, int], float] = field(default_factory=dict)
    bereft: set[tuple[int, int]] = field(default_factory=set)

    def note(self, stage: Stage) -> None:
        """After a run: what its positions have come to, and whether the guardian has lived all the while."""
        lived = not stage.guardian_died
        stage.guardian_died = False
        for position, seconds in reliably(lambda: query(POSITIONS)):
            place = stage.number, position
            if not lived and seconds != self.seconds.get(place, 0.0):
                self.bereft.add(place)
            self.seconds[place] = float(seconds)

    def lived(self) -> list[float]:
        """Of the positions during which the guardian lived."""
        return [seconds for place, seconds in self.seconds.items() if place not in self.bereft]

    def died(self) -> list[float]:
        return [seconds for place, seconds in self.seconds.items() if place in self.bereft]
