"""What the triggers of a bot have spared and what that missed, as numbers. Reads decisions; decides nothing.

Missed is a sample: of the moments without a reason a share is asked all the same, and some of those wanted to act.
"""

from collections import Counter
from dataclasses import dataclass

from .domain.triggers import Gate
from .models import Bot, Decision

NEWEST = 2_000


@dataclass(frozen=True, slots=True)
class Spared:
    """Counts over the newest moments of a bot; `reasons` are those of the questions asked, most frequent first."""

    asked: int = 0
    skipped: int = 0
    shadows: int = 0
    missed: int = 0
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def moments(self) -> int:
        return self.asked + self.skipped + self.shadows

    @property
    def share(self) -> float | None:
        """Of all moments, those at which nothing was paid for; None before the first."""
        return self.skipped / self.moments if self.moments else None

    @property
    def missed_share(self) -> float | None:
        """Of the shadow questions, those that wanted to act; None without any."""
        return self.missed / self.shadows if self.shadows else None


def spared(bot: Bot) -> Spared:
    """One statement, over at most `NEWEST` moments."""
    rows = Decision.objects.filter(bot=bot).exclude(gate="").order_by("-id")
    found = list(rows.values_list("gate", "gate_code", "acted", "refused")[:NEWEST])
    gates = Counter(gate for gate, *_ in found)
    reasons = Counter(code for gate, code, *_ in found if gate == Gate.ASKED)
    # Who was refused wanted to act too.
    missed = sum(1 for gate, _, acted, refused in found if gate == Gate.SHADOW and (acted or refused))
    return Spared(gates[Gate.ASKED], gates[Gate.SKIPPED], gates[Gate.SHADOW], missed, tuple(reasons.most_common()))
