"""When a position ends by itself: stop, target, trail, time limit and a typed invalidation condition.

Conditions are data that code evaluates on closed candles; free text is refused, because nobody can check it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from ledger.domain.trailing import trailed
from markets.domain.candles import TIMEFRAMES
from markets.domain.indicators import INDICATORS
from markets.domain.rounding import nearest_to
from markets.domain.snapshot import InstrumentView

from .untrusted import PRICE_UNIT, Unfit, number, price, shown
from .wording import exact, percent

__all__ = [
    "CLOSES",
    "KINDS",
    "LEVELS",
    "CloseAbove",
    "CloseBelow",
    "Condition",
    "ExitPlan",
    "IndicatorAbove",
    "IndicatorBelow",
    "describe",
    "describe_plan",
    "holds",
    "parse_invalidation",
    "trailed",
]


@dataclass(frozen=True, slots=True)
class CloseBelow:
    """Holds when the last closed candle of `timeframe` closed below `price`."""

    timeframe: str
    price: Decimal

    def as_json(self) -> dict[str, str]:
        """What `parse_invalidation` reads back; numbers are text so that nothing is lost."""
        return {"kind": "close_below", "timeframe": self.timeframe, "price": exact(self.price)}


@dataclass(frozen=True, slots=True)
class CloseAbove:
    """Holds when the last closed candle of `timeframe` closed above `price`."""

    timeframe: str
    price: Decimal

    def as_json(self) -> dict[str, str]:
        """What `parse_invalidation` reads back; numbers are text so that nothing is lost."""
        return {"kind": "close_above", "timeframe": self.timeframe, "price": exact(self.price)}


@dataclass(frozen=True, slots=True)
class IndicatorBelow:
    """Holds when `indicator` at the last closed candle of `timeframe` is below `value`."""

    timeframe: str
    indicator: str
    value: Decimal

    def as_json(self) -> dict[str, str]:
        """What `parse_invalidation` reads back; numbers are text so that nothing is lost."""
        return _level_json("indicator_below", self)


@dataclass(frozen=True, slots=True)
class IndicatorAbove:
    """Holds when `indicator` at the last closed candle of `timeframe` is above `value`."""

    timeframe: str
    indicator: str
    value: Decimal

    def as_json(self) -> dict[str, str]:
        """What `parse_invalidation` reads back; numbers are text so that nothing is lost."""
        return _level_json("indicator_above", self)


Condition = CloseBelow | CloseAbove | IndicatorBelow | IndicatorAbove

CLOSES: dict[str, type[CloseBelow | CloseAbove]] = {"close_below": CloseBelow, "close_above": CloseAbove}
LEVELS: dict[str, type[IndicatorBelow | IndicatorAbove]] = {
    "indicator_below": IndicatorBelow,
    "indicator_above": IndicatorAbove,
}
KINDS = (*CLOSES, *LEVELS)


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """`trail` is a fraction of the price; `expires_at` is market time. None: that part is not planned."""

    stop: Decimal | None = None
    target: Decimal | None = None
    trail: Decimal | None = None
    expires_at: datetime | None = None
    invalidation: Condition | None = None


def parse_invalidation(raw: object, timeframes: Collection[str] = tuple(TIMEFRAMES)) -> Condition:
    """A condition from its dict, such as {"kind": "close_below", "timeframe": "15m", "price": 95000}.

    `timeframes` are those that will be there to evaluate it: on another one it could never come true.
    Raises `Unfit` (a ValueError) with a sentence that names field and value.
    """
    if not isinstance(raw, Mapping):
        raise Unfit("bad_condition", f"invalidation must be an object with a kind, not {shown(raw)}.")
    kind = _one_of(raw, "kind", KINDS)
    timeframe = _one_of(raw, "timeframe", timeframes)
    if kind in CLOSES:
        return CLOSES[kind](timeframe, price(raw.get("price"), "invalidation.price"))
    indicator = _one_of(raw, "indicator", INDICATORS)
    value = nearest_to(number(raw.get("value"), "invalidation.value"), PRICE_UNIT)
    return LEVELS[kind](timeframe, indicator, value)


def _one_of(raw: Mapping[Any, Any], field: str, known: Collection[str]) -> str:
    value = raw.get(field)
    if isinstance(value, str) and value in known:
        return value
    raise Unfit("bad_condition", f"invalidation.{field} must be one of {', '.join(known)}, not {shown(value)}.")


def holds(condition: Condition, view: InstrumentView) -> bool:
    """Whether the condition is true at the last closed candle; False where its value is not known."""
    match condition:
        case CloseBelow(timeframe, level):
            close = _close(view, timeframe)
            return close is not None and close < level
        case CloseAbove(timeframe, level):
            close = _close(view, timeframe)
            return close is not None and close > level
        case IndicatorBelow(timeframe, indicator, level):
            value = _level(view, timeframe, indicator)
            return value is not None and value < level
        case IndicatorAbove(timeframe, indicator, level):
            value = _level(view, timeframe, indicator)
            return value is not None and value > level


def describe(condition: Condition) -> str:
    """The condition in words, such as "the 15m candle closes below 95000"."""
    match condition:
        case CloseBelow(timeframe, level):
            return f"the {timeframe} candle closes below {exact(level)}"
        case CloseAbove(timeframe, level):
            return f"the {timeframe} candle closes above {exact(level)}"
        case IndicatorBelow(timeframe, indicator, level):
            return f"{indicator} of {timeframe} is below {exact(level)}"
        case IndicatorAbove(timeframe, indicator, level):
            return f"{indicator} of {timeframe} is above {exact(level)}"


def describe_plan(plan: ExitPlan) -> str:
    """The whole plan in one line, parts that are not planned left out; "no exit planned" where all are."""
    levels = (("stop", plan.stop), ("target", plan.target))
    parts = [f"{name} {exact(level)}" for name, level in levels if level is not None]
    if plan.trail is not None:
        parts.append(f"trailing by {percent(plan.trail)}")
    if plan.expires_at is not None:
        parts.append(f"until {plan.expires_at:%Y-%m-%d %H:%M} UTC")
    if plan.invalidation is not None:
        parts.append(f"out when {describe(plan.invalidation)}")
    return ", ".join(parts) or "no exit planned"


def _level_json(kind: str, condition: IndicatorBelow | IndicatorAbove) -> dict[str, str]:
    return {
        "kind": kind,
        "timeframe": condition.timeframe,
        "indicator": condition.indicator,
        "value": exact(condition.value),
    }


def _close(view: InstrumentView, timeframe: str) -> Decimal | None:
    if timeframe not in view.series:
        return None
    candles = view.candles(timeframe, 1)
    return Decimal(repr(float(candles.close[-1]))) if len(candles) else None


def _level(view: InstrumentView, timeframe: str, indicator: str) -> Decimal | None:
    if timeframe not in view.series or indicator not in INDICATORS:
        return None
    value = view.indicator(timeframe, indicator)
    return None if value is None else Decimal(repr(value))
