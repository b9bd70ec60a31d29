"""A decider that proposes what the laboratory wishes for, from the market that its cycle shows it.

What stands in the way of a wish are then the product's own rules. The trader sets `items` before it runs a cycle.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from bots.deciders.house import proposals
from bots.domain.briefing import Briefing
from markets.domain.snapshot import InstrumentView

NAME = "lab:wished"
DISTANCE = 0.02  # of the mark, from there to the stop
items: list[dict[str, Any]] = []


@dataclass(frozen=True, slots=True)
class Wished:
    name: ClassVar[str] = NAME
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Proposes what the laboratory wishes for."

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        views = briefing.snapshot.instruments
        mine = [wish for wish in items if wish["symbol"] in views]
        return proposals.answer("Wished.", [_item(briefing, views[wish["symbol"]], wish) for wish in mine])


def _item(briefing: Briefing, view: InstrumentView, wish: dict[str, Any]) -> dict[str, Any]:
    """An entry with a stop where this market has it; whatever the wish says itself stands as it says it."""
    said = {"reason": "Wished.", **wish}
    if wish["action"] not in ("open_long", "open_short"):
        return {"conviction": 0.9, **said} if wish["action"] in ("add", "close") else said
    planned = proposals.entry(
        briefing, view, long=wish["action"] == "open_long", conviction=0.9,
        distance=DISTANCE * float(view.quote.mark), reward=2.0, reason="Wished.",
    )  # fmt: skip
    return {name: value for name, value in (planned | said).items() if value is not None}


def install() -> None:
    from bots.deciders.house import STRATEGIES

    STRATEGIES[NAME] = Wished  # type: ignore[assignment]
