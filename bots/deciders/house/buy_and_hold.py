"""Buy and hold: the baseline that asks whether trading was worth it at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.policy import Policy
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class BuyAndHold:
    """Buys its instruments once, as many as the policy has places for, and then holds: no add, no second try.

    A book has not bought yet while its cash is what was deposited: the first fill pays a fee.
    """

    name: ClassVar[str] = "house:buy_and_hold"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Buys its instruments once with the widest stop the policy allows, and holds."

    stop_share: float = 0.9

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        portfolio = briefing.portfolio
        fresh = not portfolio.occupied and portfolio.cash == portfolio.deposited
        items = proposals.in_turn(briefing, lambda view, room: self._item(briefing, view, fresh, room))
        return proposals.answer("Buys once and holds." if fresh else "Bought and holding.", items)

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        return {symbol: proposals.only_while_flat(one, timeframes[0]) for symbol, one in past.items()}

    def _item(self, briefing: Briefing, view: InstrumentView, fresh: bool, room: bool) -> Raw:
        held = briefing.portfolio.position(view.symbol)
        if held is not None:
            entry = at_entry(view, held.entry_price)
            return proposals.hold(view.symbol, f"Holding{entry}; the price is {view.quote.last}.")
        if not fresh:
            return proposals.hold(view.symbol, "It has bought once and does not buy again.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, "There is no free place.")
        distance = float(view.quote.mark * briefing.policy.max_stop_distance) * self.stop_share
        reason = f"Buys once at {view.quote.ask} and holds; the stop is the widest that the policy allows."
        return proposals.entry(briefing, view, long=True, conviction=0.9, distance=distance, reward=None, reason=reason)


def at_entry(view: InstrumentView, price: object) -> str:
    """ " since <entry price>", or nothing while the entry is not filled."""
    return "" if price is None else f" since {proposals.at_tick(view, float(str(price)))}"
