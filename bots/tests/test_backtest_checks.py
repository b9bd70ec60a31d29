"""The checks of a backtest: strategies that peek or warm up too little are caught, and honest ones are not."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from bots import deciders
from bots.backtests import checks
from bots.backtests.engine import Setup
from bots.domain.foresight import Foresight
from bots.domain.policy import PRESETS
from bots.tests.builders import BTC, d
from bots.tests.test_backtest_engine import market, minutes
from markets.domain.candles import MINUTE


def found(decider) -> list[str]:
    setup = Setup(decider, PRESETS["bold"], ("1m", "5m"), MINUTE, d(10_000))
    return checks.check(market(minutes(3, 1500)), setup)


def side(view, up: bool) -> dict[str, Any]:
    price = float(view.quote.last)
    return {
        "symbol": view.symbol,
        "action": "open_long" if up else "open_short",
        "conviction": 0.9,
        "stop": price * (0.99 if up else 1.01),
        "reason": "",
    }


class Strategy:
    description: ClassVar[str] = ""
    remote: ClassVar[bool] = False

    def decide(self, briefing) -> dict[str, Any]:
        view = briefing.snapshot[BTC]
        if briefing.portfolio.position(BTC):
            held = briefing.slot_index % 7 == 0
            return {"items": [{"symbol": BTC, "action": "close" if held else "hold", "reason": ""}]}
        up = self.up(view)
        return {"items": [] if up is None else [side(view, up)]}


@dataclass(frozen=True)
class Peeks(Strategy):
    """Reads the candle after the last closed one from the array behind its view."""

    name: ClassVar[str] = "test:peeks"

    def up(self, view) -> bool | None:
        series = view.series["1m"]
        closed = series.closed_at(view.now)
        known = series.candles.close[closed - 1 : closed + 1]
        return bool(known[-1] > known[0]) if len(known) == 2 else None


@dataclass(frozen=True)
class Forgetful(Strategy):
    """An average over 400 candles of its own, where only about 256 are certain to be there."""

    name: ClassVar[str] = "test:forgetful"

    def up(self, view) -> bool | None:
        closes = view.candles("1m", 400).close
        return bool(closes[-1] > closes.mean()) if len(closes) else None


@dataclass(frozen=True)
class Picks(Strategy):
    """Decides honestly, but lets itself be asked only where the future will prove it right."""

    name: ClassVar[str] = "test:picks"

    def up(self, view) -> bool | None:
        return True

    def foresee(self, past, timeframes, policy):
        close = past[BTC].candles("1m").close
        best = close >= close.max() * 0.97
        return {
            BTC: Foresight(
                "1m", flat=~best & (np.arange(len(close)) % 5 == 0), long=np.ones(len(close), bool), short=best
            )
        }


@pytest.mark.requirement("BKT-06")
@pytest.mark.parametrize("decider", [Peeks(), Picks()])
def test_a_strategy_that_peeks_is_caught(decider):
    assert any("looks ahead" in sentence for sentence in found(decider))


@pytest.mark.requirement("BKT-06")
def test_a_strategy_with_too_little_warm_up_is_caught():
    sentences = found(Forgetful())

    assert any("warm-up" in sentence for sentence in sentences)
    assert not any("looks ahead" in sentence for sentence in sentences)


@pytest.mark.requirement("BKT-06")
@pytest.mark.parametrize("name", deciders.names())
def test_the_house_strategies_pass(name):
    assert found(deciders.get(name)) == []
