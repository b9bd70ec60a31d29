"""Equal weights: the same money into every instrument, once. What the market gives to whoever chooses nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.policy import Policy
from bots.domain.risk import prices, unit_loss
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw


@dataclass(frozen=True, slots=True)
class EqualWeight:
    """Buys each instrument for the same part of equity, as far as the risk of the policy reaches, and never sells.

    `invested` is the share of equity that all of them together are worth. `BuyAndHold` sizes by risk instead.
    """

    name: ClassVar[str] = "house:equal_weight"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Puts the same money into each instrument once, with the widest stop, and holds."

    invested: float = 0.9
    stop_share: float = 0.9

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        portfolio = briefing.portfolio
        fresh = not portfolio.occupied and portfolio.cash == portfolio.deposited
        items = proposals.in_turn(briefing, lambda view, room: self._item(briefing, view, fresh, room))
        return proposals.answer("Buys each once." if fresh else "Bought in equal parts and holding.", items)

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        return {symbol: proposals.only_while_flat(one, timeframes[0]) for symbol, one in past.items()}

    def _item(self, briefing: Briefing, view: InstrumentView, fresh: bool, room: bool) -> Raw:
        if not fresh:
            return proposals.hold(view.symbol, "It has bought once, and neither sells nor buys again.")
        if not room or not proposals.free(briefing, view.symbol):
            return proposals.hold(view.symbol, "There is no free place.")
        count = min(len(briefing.snapshot.instruments), proposals.places(briefing))
        worth = Decimal(repr(self.invested)) / count
        distance = float(view.quote.mark * briefing.policy.max_stop_distance) * self.stop_share
        reason = f"One of {count} equal parts at {view.quote.ask}; the stop is the widest that the policy allows."
        item = proposals.entry(briefing, view, long=True, conviction=0.9, distance=distance, reward=None, reason=reason)
        return item | {"risk_share": self._risk(briefing, view, Decimal(repr(item["stop"])), worth)}

    def _risk(self, briefing: Briefing, view: InstrumentView, stop: Decimal, worth: Decimal) -> float:
        """The share of the risk budget that buys for `worth` of equity; at most all of it."""
        policy = briefing.policy
        judged = prices(view, True, policy.max_slippage).judged
        loss = unit_loss(judged, stop, True, policy.max_slippage, view.rules.taker_fee)
        return float(min(worth * loss / (judged * policy.risk_per_trade), Decimal(1)))
