"""Backtests over synthetic candles, in a process of its own: candles a second, trades, memory, as one JSON object.

`python -m bench.walking dense|locked|sparse|asked|book|alone` walks made candles without a database, all but `locked`
without locks, which no other tool knows; `linear PERIOD` walks one, two and four years with a trade in so many candles;
`stored DECIDER` runs the command on the candles of this place, from the start of the process to its answer;
`data FILE` writes the dense year for the peers; `lively FILE` writes livelier candles, and tells the trades on them.
"""

import io
import json
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any, ClassVar

import numpy as np

from bots import deciders
from bots.backtests.engine import Backtest, Result, Setup
from bots.backtests.market import Listed, Market
from bots.backtests.records import Position
from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.policy import PRESETS, Policy
from markets.domain.candles import MINUTE, Candles, Times, milliseconds
from markets.domain.instruments import InstrumentRules, MarginTier

YEAR = 525_600
FIVE_MINUTES = 105_120
ASKED, LIVELY = 50_000, 40_000
START = 1_704_067_200_000
FEE = Decimal("0.0005")
YEARS = (1, 2, 4)


def minutes(count: int = YEAR, seed: int = 1, moves: float = 0.0008) -> Candles:
    """A random walk of minutes around a price of 40,000, at the tick of 0.1."""
    lots = np.random.default_rng(seed)
    close = np.round(40_000 * np.exp(np.cumsum(lots.normal(0, moves, count))), 1)
    opened = np.concatenate([[40_000.0], close[:-1]])
    high = np.round(np.maximum(opened, close) * (1 + np.abs(lots.normal(0, moves / 2, count))), 1)
    low = np.round(np.minimum(opened, close) * (1 - np.abs(lots.normal(0, moves / 2, count))), 1)
    volume = np.round(lots.uniform(5, 50, count), 3)
    return Candles(START + MINUTE * np.arange(count, dtype=np.int64), opened, high, low, close, volume)


def rules(symbol: str) -> InstrumentRules:
    """A perpetual without spread and impact, as the peers trade it."""
    tiers = (MarginTier(Decimal(0), Decimal("0.004"), Decimal(0), 125),)
    zero = Decimal(0)
    return InstrumentRules(
        symbol=symbol, base=symbol.split("/")[0], quote="USDT", settle="USDT", kind="perpetual", tick=Decimal("0.1"),
        step=Decimal("0.001"), min_quantity=Decimal("0.001"), min_notional=Decimal(5), maker_fee=FEE, taker_fee=FEE,
        tiers=tiers, half_spread=zero, impact=zero,
    )  # fmt: skip


def market(count: int = YEAR, instruments: int = 1) -> Market:
    listed = []
    for number in range(instruments):
        candles = minutes(count, number + 1)
        listed.append(Listed(rules(f"C{number}/USDT:USDT"), candles, {"1m": candles}))
    return Market("1m", START, START + count * MINUTE, listed)


@dataclass(frozen=True, slots=True)
class Regular:
    """Buys every so many candles and sells `held` candles later: a trade in `period` candles, whatever the prices."""

    name: ClassVar[str] = "bench:regular"
    description: ClassVar[str] = "A trade now and then."
    remote: ClassVar[bool] = False

    period: int = 1_500
    held: int = 700

    def decide(self, briefing: Briefing) -> dict[str, Any]:
        place, items = briefing.slot_index % self.period, []
        for symbol, view in briefing.snapshot.instruments.items():
            held = briefing.portfolio.position(symbol)
            if held is None and place == 0:
                price = float(view.quote.last)
                items.append(
                    {"symbol": symbol, "action": "open_long", "conviction": 0.6, "risk_share": 0.24,
                     "stop": price * 0.98, "target": price * 1.04, "reason": "The period begins."}
                )  # fmt: skip
            elif held is not None and place == self.held:
                items.append({"symbol": symbol, "action": "close", "reason": "Held long enough."})
        return {"summary": "", "items": items}

    def foresee(self, past: Mapping[str, Past], timeframes: tuple[str, ...], policy: Policy) -> Mapping[str, Foresight]:
        return {symbol: self._moments(one.candles("1m").time) for symbol, one in past.items()}

    def _moments(self, times: Times) -> Foresight:
        flat, long, short = (np.zeros(len(times), bool) for _ in range(3))
        # A candle is decided on when it has closed, which is the slot after its own.
        first = int(times[0] - START) // MINUTE + 1
        flat[-first % self.period :: self.period] = long[(self.held - first) % self.period :: self.period] = True
        return Foresight("1m", flat, long, short)


LOCKED = replace(PRESETS["balanced"], max_positions=8)
LOCKS = (
    "cooldown_minutes", "stop_guard_count", "stop_guard_instrument_count", "low_profit_count", "max_trades_per_day",
    "max_loss_streak", "max_failures", "max_drawdown", "max_daily_loss",
)  # fmt: skip
FREE = replace(LOCKED, **{name: type(getattr(LOCKED, name))(0) for name in LOCKS})


def setup(decider: Any, *, foresee: bool = True, policy: Policy = FREE) -> Setup:
    return Setup(decider, policy, ("1m",), MINUTE, Decimal(1_000_000), foresee=foresee)


RUNS: dict[str, tuple[int, int, bool, Any]] = {
    "dense": (YEAR, 1, True, None),
    "locked": (YEAR, 1, True, None),
    "sparse": (YEAR, 1, True, Regular()),
    "asked": (ASKED, 1, False, None),
    "book": (FIVE_MINUTES, 8, True, None),
    "alone": (FIVE_MINUTES, 1, True, None),
}


def walk(name: str) -> dict[str, float]:
    """A run in a fresh process, and the same again: the second is warm. Seconds are those of one CPU."""
    count, instruments, foresee, decider = RUNS[name]
    policy = LOCKED if name == "locked" else FREE
    chosen = setup(decider or deciders.get("house:sma_cross"), foresee=foresee, policy=policy)
    cold = timed(market(count, instruments), chosen)[0]
    warm, result = timed(market(count, instruments), chosen)
    return {
        "cold": cold,
        "warm": warm,
        "rate": result.market.candles / warm,
        "trades": len(result.closed),
        "equity": float(result.equity),
        "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def timed(made: Market, chosen: Setup) -> tuple[float, Result]:
    begun = process_time()
    result = Backtest(made, chosen).run()
    return process_time() - begun, result


def linear(period: str) -> dict[str, float]:
    """CPU seconds of each year, by how many years there are: in turns, so that all meet the same neighbours."""
    chosen = setup(Regular(int(period), int(period) // 2))
    timed(market(YEAR // 12), chosen)
    found = {}
    for years in YEARS:
        seconds, result = timed(market(years * YEAR), chosen)
        found |= {f"years_{years}": seconds / years, f"trades_{years}": len(result.closed) / years}
    return found


def stored(decider: str) -> dict[str, float]:
    """The command, from the start of this process to its answer: CPU seconds of all, and of the run alone."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings")
    django.setup()
    from django.core.management import call_command

    from bots.deciders.house import STRATEGIES

    STRATEGIES[Regular.name] = Regular
    told, free = io.StringIO(), [part for name in LOCKS for part in ("--set", f"{name}=0")]
    call_command(
        "backtest", "--decider", decider, "--exchange", "binanceusdm", "--symbols", "BTC/USDT:USDT",
        "--timeframe", "1m", "--json", "--set", "max_positions=8", *free, stdout=told, stderr=io.StringIO(),
    )  # fmt: skip
    answer = json.loads(told.getvalue())
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu": process_time(),
        "walked": answer["seconds"],
        "trades": answer["trades"],
        "mb": used.ru_maxrss / 1024,
    }


def data(path: str) -> dict[str, float]:
    return saved(minutes(), path)


def lively(path: str) -> dict[str, Any]:
    """Candles that reach stops and targets too, and every trade on them: bars, side and prices of entry and exit."""
    candles = minutes(LIVELY, moves=0.003)
    saved(candles, path)
    made = Market("1m", START, START + LIVELY * MINUTE, [Listed(rules("C0/USDT:USDT"), candles, {"1m": candles})])
    return {"trades": [bars(position) for position in timed(made, setup(deciders.get("house:sma_cross")))[1].closed]}


def bars(position: Position) -> list[Any]:
    figures = position.figures
    entered, ended = (bar(at) for at in (position.opened_at, position.closed_at))
    # What fills inside a candle is stamped with its end: it was the candle before that filled it.
    inside = position.exit_reason in ("stop", "target")
    price_in, price_out = figures.entry_value / figures.entry_quantity, figures.exit_value / figures.exit_quantity
    return [entered, ended - inside, position.long, float(price_in), float(price_out)]


def bar(at: datetime | None) -> int:
    assert at is not None
    return (milliseconds(at) - START) // MINUTE


def saved(made: Candles, path: str) -> dict[str, float]:
    columns = {name: getattr(made, name) for name in ("time", "open", "high", "low", "close", "volume")}
    np.savez(Path(path), **columns)
    return {"candles": len(made)}


if __name__ == "__main__":
    what, *more = sys.argv[1:]
    measures = {"stored": stored, "linear": linear, "data": data, "lively": lively}
    sys.stdout.write(json.dumps(measures[what](*more) if more else walk(what)))
