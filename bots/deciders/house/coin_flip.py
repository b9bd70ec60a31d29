"""Random: flips coins for entries and exits, with the same stops and sizes as others. Luck, as a baseline."""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class CoinFlip:
    """Draws from the bot's seed and the slot only: the same slot draws the same, after any restart."""

    name: ClassVar[str] = "house:random"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = (
        "Flips coins for entries and exits with ATR stops; the same seed and slot draw the same."
    )

    entry_chance: float = 0.25
    exit_chance: float = 0.1
    stop_atr: float = 2.0
    target_atr: float = 3.0

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        lots = random.Random(f"{briefing.seed}:{briefing.slot_index}")
        timeframe = proposals.middle(briefing.timeframes)

        def item(view: InstrumentView, room: bool) -> Raw:
            # Two draws for each instrument whatever is held, so that one position does not shift the others.
            chance, side = lots.random(), lots.random()
            return self._item(briefing, view, timeframe, chance, side < 0.5, room)

        items = proposals.in_turn(briefing, item, sorted(briefing.snapshot.instruments))
        return proposals.answer(f"Coins of slot {briefing.slot_index} with seed {briefing.seed}.", items)

    def _item(
        self,
        briefing: Briefing,
        view: InstrumentView,
        timeframe: str,
        chance: float,
        long: bool,
        room: bool,
    ) -> Raw:
        held, atr = briefing.portfolio.position(view.symbol), view.indicator(timeframe, "atr_14")
        if held is not None and held.quantity and chance < self.exit_chance:
            return proposals.close(view.symbol, 0.5, f"The coin says out: {chance:.2f} is below {self.exit_chance:g}.")
        if held is not None:
            return proposals.hold(view.symbol, f"The coin says stay: {chance:.2f}.")
        if atr is None:
            return proposals.hold(view.symbol, f"Not enough candles of {timeframe} for the ATR yet.")
        if chance >= self.entry_chance:
            return proposals.hold(view.symbol, f"The coin says wait: {chance:.2f} is not below {self.entry_chance:g}.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, f"The coin says in ({chance:.2f}), but there is no free place.")
        return proposals.entry(
            briefing,
            view,
            long=long,
            conviction=0.5,
            distance=self.stop_atr * atr,
            reward=self.target_atr / self.stop_atr,
            reason=f"The coin says {'long' if long else 'short'}: {chance:.2f} is below {self.entry_chance:g}.",
        )
