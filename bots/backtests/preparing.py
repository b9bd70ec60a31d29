"""From a request to a run: market and decider looked up, everything else as it was read. Reads the database.

What cannot be had is one sentence: Unclear for words, NotThere for candles, bots and models.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from bots import deciders
from bots.deciders import Decider
from bots.domain.frequency import frequency
from ledger.models import User
from markets.domain.candles import TIMEFRAMES, instant, milliseconds

from . import ended, loader, options
from .engine import Backtest, Result, Setup
from .loader import NotThere
from .market import Market
from .request import Read, Request, read

Passed = Callable[[int], None]
Alive = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """`about` is what a decider that had to be looked up adds to the provenance."""

    request: Request
    read: Read
    market: Market
    setup: Setup
    about: dict[str, Any]

    @property
    def cut(self) -> list[str]:
        """A sentence where candles begin later, or end earlier, than what was asked for."""
        asked, market, found = self.read, self.market, []
        step = TIMEFRAMES[asked.asked.timeframes[0]]
        if asked.start is not None and market.start - milliseconds(asked.start) >= step:
            found.append(f"Candles begin at {instant(market.start):%Y-%m-%d %H:%M}, later than what was asked for.")
        if asked.end is not None and milliseconds(asked.end) - market.end >= step:
            found.append(f"Candles end at {instant(market.end):%Y-%m-%d %H:%M}, earlier than what was asked for.")
        return found

    def run(self, passed: Passed | None = None) -> tuple[Result, float]:
        """What came of it, and in how many seconds, without reading the store."""
        begun = perf_counter()
        decider = self.setup.decider
        engine = Backtest(self.market, self.setup, getattr(decider, "heard", None), passed)
        if (watch := getattr(decider, "watch", None)) is not None:
            watch(engine)
        return ended.settled(engine.run()), perf_counter() - begun


def prepare(request: Request, *, owner: User | None = None, run: Any = None, alive: Alive = lambda: None) -> Prepared:
    """Raises Unclear and NotThere. `owner` is whose bots and models may be named, `run` the stored row it is for.

    `alive` is called now and then while something takes long, later by the decider too; it may raise.
    """
    found = read(request)
    asked = found.asked
    market = loader.load(
        exchange=request.exchange, symbols=found.symbols, timeframes=asked.timeframes, start=found.start,
        end=found.end, base=asked.walk, costs=asked.with_costs,
    )  # fmt: skip
    setup = Setup(
        decider=asked.decider, policy=asked.policy, timeframes=asked.timeframes, interval=asked.interval,
        cash=found.cash, seed=asked.seed,
    )  # fmt: skip
    decider: Decider = asked.decider
    about: dict[str, Any] = {}
    if isinstance(decider, options.Unmade):
        from . import remembered  # models and their clients: what strategies in code do not need

        decider, about = remembered.look_up(asked, owner=owner, run=run, alive=alive)
    elif "like" in asked.more:
        decider, about = _like(asked.more["like"], request, market, setup, alive)
    return Prepared(request, found, market, replace(setup, decider=decider), about)


def likened(name: str, request: Request) -> Decider:
    """The strategy that `like` names. Raises Unclear and NotThere."""
    other = options.read(name, request.timeframe, ()).decider
    if isinstance(other, options.Unmade):
        raise NotThere("like names a strategy in code, such as like=trend.")
    return other


def _like(name: str, request: Request, market: Market, setup: Setup, alive: Alive) -> tuple[Decider, dict[str, Any]]:
    """Lots as frequent and as long as the trades of another strategy on the same market."""
    other = likened(name, request)
    result = Backtest(market, replace(setup, decider=other), passed=lambda _: alive()).run()
    closed = [(p.long, p.closed_at - p.opened_at) for p in result.closed if p.closed_at and p.opened_at]
    try:
        found = frequency(
            positions=len(closed),
            longs=sum(long for long, _ in closed),
            held=sum(held.total_seconds() for _, held in closed),
            slots=market.instants * market.step // setup.interval,
            interval=setup.interval / 1000,
            instruments=len(market.courses),
        )
    except ValueError:
        raise NotThere(f"{other.name} closes no trade in that period, so there is no frequency to match.") from None
    chances = {"entry_chance": found.entry_chance, "exit_chance": found.exit_chance, "long_share": found.long_share}
    return deciders.get(deciders.RANDOM_LIKE, chances), {"like": other.name, "like_trades": len(closed)}
