"""A decider for tests that tries everything an answer may hold: limits, trails, time limits, invalidations, adds."""

import random
from dataclasses import dataclass
from typing import Any, ClassVar

from bots.domain.briefing import Briefing
from markets.domain.snapshot import InstrumentView


@dataclass(frozen=True, slots=True)
class Restless:
    """Draws from the slot alone, so that it draws the same wherever the slot is traded."""

    name: ClassVar[str] = "test:restless"
    description: ClassVar[str] = "Tries everything."
    remote: ClassVar[bool] = False

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        lots = random.Random(f"{briefing.seed}:{briefing.slot_index}")
        items = [
            self._item(briefing, view, lots.random(), random.Random(lots.random()))
            for view in briefing.snapshot.instruments.values()
        ]
        return {"summary": "Restless.", "items": items}

    def _item(self, briefing: Briefing, view: InstrumentView, chance: float, lots: random.Random) -> dict[str, Any]:
        held, price = briefing.portfolio.position(view.symbol), float(view.quote.last)
        item: dict[str, Any] = {"symbol": view.symbol, "action": "hold", "conviction": 0.6, "reason": f"{chance:.3f}"}
        if held is None and chance < 0.5:
            return item | self._entry(price, 1 if chance < 0.25 else -1, lots)
        if held is None or not held.quantity or chance > 0.3:
            return item
        sign = 1 if held.long else -1
        actions: list[dict[str, Any]] = [
            {"action": "close"},
            {"action": "reduce", "reduce_share": round(lots.uniform(0.1, 0.9), 2)},
            {"action": "add", "risk_share": 0.3, "stop": price * (1 - sign * 0.02)},
            {"action": "adjust_exits", "stop": price * (1 - sign * lots.uniform(0.001, 0.03)), "target": price * 2},
            {"action": "adjust_exits", "trail": 0.004, "minutes": lots.choice([7, 30, 90])},
            {"action": "open_short" if held.long else "open_long", "stop": price * (1 + sign * 0.02)},
        ]
        return item | lots.choice(actions)

    def _entry(self, price: float, sign: int, lots: random.Random) -> dict[str, Any]:
        away = lots.choice([0.003, 0.006, 0.02])
        entry: dict[str, Any] = {
            "action": "open_long" if sign > 0 else "open_short",
            "stop": price * (1 - sign * away),
            "risk_share": round(lots.uniform(0.1, 1), 2),
        }
        if lots.random() < 0.6:
            entry["target"] = price * (1 + sign * away * lots.choice([1.5, 3]))
        if lots.random() < 0.4:
            entry["limit"] = price * (1 - sign * 0.0008)
        if lots.random() < 0.3:
            entry["trail"] = away
        if lots.random() < 0.3:
            entry["minutes"] = lots.choice([5, 20, 60, 240])
        if lots.random() < 0.3:
            entry["leverage"] = lots.choice([2, 3])
        if lots.random() < 0.4:
            entry["invalidation"] = lots.choice(
                [
                    {"kind": "close_below" if sign > 0 else "close_above", "timeframe": _coarse(lots),
                     "price": price * (1 - sign * away / 2)},
                    {"kind": "indicator_below" if sign > 0 else "indicator_above", "timeframe": _coarse(lots),
                     "indicator": "rsi_14", "value": 50 - sign * 12},
                ]
            )  # fmt: skip
        return entry


def _coarse(lots: random.Random) -> str:
    return lots.choice(["1h", "4h"])
