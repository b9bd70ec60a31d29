"""A decider that trades all the time, so that whatever breaks, breaks in the middle of something.

It draws from the bot's seed and the slot like the house's coin flip, and uses every action and order type there is.
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.deciders.house import proposals
from bots.deciders.house.proposals import Raw
from bots.domain.briefing import Briefing
from ledger.domain.portfolio import HeldPosition
from markets.domain.snapshot import InstrumentView

from .points import reach

NAME = "lab:busy"


@dataclass(frozen=True, slots=True)
class Busy:
    name: ClassVar[str] = NAME
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Opens, adds, adjusts, reduces and closes all the time."

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        reach("deciding")
        lots = random.Random(f"{briefing.seed}:{briefing.slot_index}:{briefing.bot}")
        views = [view for _, view in sorted(briefing.snapshot.instruments.items())]
        items = [self._item(briefing, view, lots) for view in views]
        return proposals.answer("Busy.", items)

    def _item(self, briefing: Briefing, view: InstrumentView, lots: random.Random) -> Raw:
        held, chance = briefing.portfolio.position(view.symbol), lots.random()
        if held is not None and held.quantity:
            return self._held(view, held, chance)
        if held is not None or chance > 0.7 or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, "Waits.")
        mark = float(view.quote.mark)
        entry = proposals.entry(
            briefing, view, long=lots.random() < 0.5, conviction=0.6, distance=0.0006 * mark, reward=1.5, reason="Busy."
        )
        if lots.random() < 0.6:
            entry["trail"] = 0.001
        return entry

    def _held(self, view: InstrumentView, held: HeldPosition, chance: float) -> Raw:
        symbol, reason, mark = view.symbol, "Busy.", float(view.quote.mark)
        if chance < 0.2:
            return proposals.close(symbol, 0.5, reason)
        if chance < 0.3:
            return {"symbol": symbol, "action": "reduce", "reduce_share": 0.4, "reason": reason}
        if chance < 0.45:
            stop = mark * (0.998 if held.long else 1.002)
            return {"symbol": symbol, "action": "adjust_exits", "stop": stop, "reason": reason}
        if chance < 0.65:
            return {"symbol": symbol, "action": "add", "conviction": 0.6, "risk_share": 0.3, "reason": reason}
        return proposals.hold(symbol, "Waits.")


def install() -> None:
    from bots.deciders.house import STRATEGIES

    STRATEGIES[NAME] = Busy  # type: ignore[assignment]
