"""Random with the frequency of another: trades as often and as long as somebody else, at moments that say nothing.

What a strategy earns beyond this is what its moments are worth; what both earn is the market, the side and the size.
"""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class RandomLike:
    """Draws from the bot's seed, the slot and the instrument only: the same slot draws the same, after any restart.

    The chances are for one slot and one instrument: of entering while flat, of leaving while held, of a long.
    `bots.domain.frequency` finds those that match another's trades. Stops are the widest, and there is no target, so
    that how long it holds is the coin's doing.
    """

    name: ClassVar[str] = "house:random_like"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Enters and leaves by lot, as often and for as long as another; widest stop."

    entry_chance: float = 0.02
    exit_chance: float = 0.05
    long_share: float = 0.5
    stop_share: float = 0.9

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        def item(view: InstrumentView, room: bool) -> Raw:
            lots = random.Random(f"{briefing.seed}:{briefing.slot_index}:{view.symbol}")
            return self._item(briefing, view, lots.random(), lots.random(), room)

        items = proposals.in_turn(briefing, item, sorted(briefing.snapshot.instruments))
        return proposals.answer(f"Lots of slot {briefing.slot_index} with seed {briefing.seed}.", items)

    def _item(self, briefing: Briefing, view: InstrumentView, lot: float, side: float, room: bool) -> Raw:
        held = briefing.portfolio.position(view.symbol)
        if held is not None:
            if held.quantity and lot < self.exit_chance:
                return proposals.close(view.symbol, 0.5, f"The lot says out: {lot:.4f} is below {self.exit_chance:g}.")
            return proposals.hold(view.symbol, f"The lot says stay: {lot:.4f}.")
        if lot >= self.entry_chance:
            return proposals.hold(view.symbol, f"The lot says wait: {lot:.4f}.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, f"The lot says in ({lot:.4f}), but there is no free place.")
        long = side < self.long_share
        distance = float(view.quote.mark * briefing.policy.max_stop_distance) * self.stop_share
        reason = f"The lot says {'long' if long else 'short'}: {lot:.4f} is below {self.entry_chance:g}."
        return proposals.entry(briefing, view, long=long, conviction=0.5, distance=distance, reward=None, reason=reason)
