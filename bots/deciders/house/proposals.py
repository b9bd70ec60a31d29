"""The items house strategies answer with: the same raw dicts that a model would write, prices at the tick.

Stops follow the market's own noise (ATR) from the mark, within what the policy allows from the judged price;
targets are set from the judged price, so that reward to risk is what the rules will see.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import numpy as np

from bots.domain.briefing import Briefing
from bots.domain.foresight import Foresight, Past
from bots.domain.risk import prices, worst_fill
from bots.domain.significant import decimal
from bots.domain.sizing import stop_at, target_at
from bots.domain.wording import exact
from markets.domain.snapshot import InstrumentView

Raw = dict[str, Any]

# Rounding to the tick and the slippage of a stop must not push a plan over the edge of its own policy.
MARGIN = Decimal("1.05")


def answer(summary: str, items: list[Raw]) -> Raw:
    return {"summary": summary, "items": items}


def hold(symbol: str, reason: str) -> Raw:
    return {"symbol": symbol, "action": "hold", "reason": reason}


def close(symbol: str, conviction: float, reason: str) -> Raw:
    return {"symbol": symbol, "action": "close", "conviction": round(conviction, 2), "reason": reason}


def entry(
    briefing: Briefing,
    view: InstrumentView,
    *,
    long: bool,
    conviction: float,
    distance: Decimal | float,
    reward: float | None,
    reason: str,
) -> Raw:
    """An entry with a stop `distance` (in price) from the mark and a target at `reward` times the stop's distance."""
    stop = planned_stop(briefing, view, long=long, distance=distance)
    judged = worst_fill(view, long, briefing.policy.max_slippage)
    item: Raw = {
        "symbol": view.symbol,
        "action": "open_long" if long else "open_short",
        "conviction": round(max(conviction, float(briefing.policy.min_confidence)), 2),
        "stop": float(stop),
        "reason": reason,
    }
    if reward is not None:
        least = briefing.policy.min_reward_to_risk * MARGIN
        away = abs(judged - stop) * max(Decimal(repr(reward)), least)
        item["target"] = float(target_at(judged, away, long, view.rules))
    return item


def planned_stop(briefing: Briefing, view: InstrumentView, *, long: bool, distance: Decimal | float) -> Decimal:
    """The stop at `distance` from the mark, moved to where the policy's least and most distance let it be."""
    policy = briefing.policy
    found = prices(view, long, policy.max_slippage)
    judged, edge = found.judged, found.low if long else found.high
    wanted = abs(judged - edge) + decimal(distance)
    least = max(judged * policy.min_stop_distance, abs(judged - edge)) * MARGIN
    most = judged * policy.max_stop_distance / MARGIN
    return stop_at(judged, min(max(wanted, least), most), long, view.rules)


def free(briefing: Briefing, symbol: str) -> bool:
    """Whether an entry makes sense at all: nothing is open, on its way or blocked there."""
    portfolio = briefing.portfolio
    return symbol not in portfolio.occupied and symbol not in portfolio.blocked


def in_turn(
    briefing: Briefing, item: Callable[[InstrumentView, bool], Raw], symbols: Iterable[str] | None = None
) -> list[Raw]:
    """What `item` says of each instrument, told whether there is a place for an entry; each entry takes one.

    In the order of the briefing, or that of `symbols`.
    """
    left, items, views = places(briefing), [], briefing.snapshot.instruments
    for symbol in views if symbols is None else symbols:
        items.append(item(views[symbol], left > 0))
        left -= items[-1]["action"].startswith("open")
    return items


def places(briefing: Briefing) -> int:
    """How many more positions the policy allows; none while only exits are allowed."""
    if briefing.state != "active":
        return 0
    return max(0, briefing.policy.max_positions - len(briefing.portfolio.occupied))


def at_tick(view: InstrumentView, value: float) -> str:
    """A price for a sentence, with as many digits as the instrument has."""
    return exact(view.rules.price(value))


def only_while_flat(past: Past, timeframe: str) -> Foresight:
    """For deciders that never do anything about what they hold."""
    count = len(past.candles(timeframe).time)
    never = np.zeros(count, bool)
    return Foresight(timeframe, flat=np.ones(count, bool), long=never, short=never)


def middle(timeframes: tuple[str, ...]) -> str:
    """The middle timeframe; of an even number the finer one of the two."""
    return timeframes[(len(timeframes) - 1) // 2]
