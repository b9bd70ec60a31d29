"""Crossing averages in their plainest form: the rule by which backtesting tools are compared with each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.levels import percent_away
from bots.domain.policy import Policy
from bots.domain.risk import unit_loss, worst_fill
from markets.domain.candles import Floats
from markets.domain.snapshot import InstrumentView

from . import proposals
from .proposals import Raw

FAST, SLOW = "sma_20", "sma_50"
# Averages are running sums: where they nearly touch, another window may see another side by the last bits.
_NEAR = 1e-9


@dataclass(frozen=True, slots=True)
class SmaCross:
    """With the 20 candle average crossing the 50 one: out of a position on the other side, and in, a candle later.

    `share` is the part of equity that a position is worth, `stop` and `target` are fractions of the price.
    """

    name: ClassVar[str] = "house:sma_cross"
    remote: ClassVar[bool] = False
    description: ClassVar[str] = "Trades SMA 20 crossing SMA 50 on the finest timeframe; fixed stop, target and size."

    share: float = 0.1
    stop: float = 0.02
    target: float = 0.04

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        timeframe = briefing.timeframes[0]
        items = [self._item(briefing, view, timeframe) for view in briefing.snapshot.instruments.values()]
        return proposals.answer(f"Crossings of SMA 20 and SMA 50 on {timeframe}.", items)

    def _item(self, briefing: Briefing, view: InstrumentView, timeframe: str) -> Raw:
        above = _above(view, timeframe)
        if above is None:
            return proposals.hold(view.symbol, f"Not enough candles of {timeframe} for the averages yet.")
        held = briefing.portfolio.position(view.symbol)
        if held is not None:
            if held.quantity and above[2] != above[1] and above[2] != held.long:
                return proposals.close(view.symbol, 0.6, f"The averages of {timeframe} have crossed back.")
            return proposals.hold(view.symbol, "The averages have not crossed back.")
        if above[0] == above[1] == above[2]:
            return proposals.hold(view.symbol, f"No crossing in the last two candles of {timeframe}.")
        return self._entry(briefing, view, above[2], timeframe)

    def _entry(self, briefing: Briefing, view: InstrumentView, long: bool, timeframe: str) -> Raw:
        policy, rules, price = briefing.policy, view.rules, view.quote.last
        sign = 1 if long else -1
        stop = rules.price(price - sign * percent_away(price, _exact(self.stop)))
        target = rules.price(price + sign * percent_away(price, _exact(self.target)))
        judged = worst_fill(view, long, policy.max_slippage)
        loss = unit_loss(judged, stop, long, policy.max_slippage, rules.taker_fee)
        part = _exact(self.share) * loss / (price * policy.risk_per_trade)
        return {
            "symbol": view.symbol,
            "action": "open_long" if long else "open_short",
            "conviction": 0.6,
            "risk_share": float(min(part, Decimal(1))),
            "stop": float(stop),
            "target": float(target),
            "reason": f"SMA 20 has crossed {'over' if long else 'under'} SMA 50 on {timeframe}.",
        }

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        return {symbol: self._moments(one, timeframes[0]) for symbol, one in past.items()}

    def _moments(self, past: Past, timeframe: str) -> Foresight:
        gap: Floats = past.rough(timeframe, FAST) - past.rough(timeframe, SLOW)
        near = _NEAR * past.candles(timeframe).close
        before = np.concatenate([[np.nan], gap[:-1]])
        up = (gap > -near) & (before <= near)
        down = (gap <= near) & (before > -near)
        crossed = up | down
        late = np.concatenate([[False], crossed[:-1]])
        return Foresight(timeframe, flat=crossed | late, long=down, short=up)


@lru_cache
def _exact(parameter: float) -> Decimal:
    return Decimal(repr(parameter))


def _above(view: InstrumentView, timeframe: str) -> list[bool] | None:
    """Whether the fast average was above the slow one at the last three candles, oldest first; None while unknown."""
    fast, slow = view.newest(timeframe, (FAST, SLOW), 3)
    # The slow average is the last to be known, and NaN alone differs from itself.
    if len(slow) < 3 or slow[0] != slow[0]:
        return None
    return [one > other for one, other in zip(fast, slow, strict=True)]
