"""Whether limits make sense, before anybody trades within them: one sentence for each that does not.

It judges the numbers of a policy alone; whether an order respects them is the business of `risk`.
"""

from dataclasses import dataclass
from decimal import Decimal

from .policy import Policy


@dataclass(frozen=True, slots=True)
class Range:
    """What a limit may be: from `least` (itself excluded where `above`) to `most`, in the words of `unit`."""

    least: Decimal
    most: Decimal
    unit: str
    above: bool = False

    def holds(self, value: Decimal) -> bool:
        return value.is_finite() and (self.least < value if self.above else self.least <= value) and value <= self.most

    @property
    def sentence(self) -> str:
        return f"This must be {'above' if self.above else 'at least'} {self.least} and at most {self.most}{self.unit}."


def _range(least: str, most: str, unit: str = "", *, above: bool = False) -> Range:
    return Range(Decimal(least), Decimal(most), unit, above)


EQUITY, PRICE = " of equity", " of the price"

RANGES: dict[str, Range] = {
    "risk_per_trade": _range("0", "0.1", EQUITY, above=True),
    "max_position_notional": _range("0", "20", " times equity", above=True),
    "max_positions": _range("1", "100"),
    "max_exposure": _range("0", "20", " times equity", above=True),
    "max_leverage": _range("1", "50"),
    "max_margin_use": _range("0", "1", EQUITY, above=True),
    "min_reward_to_risk": _range("0", "20"),
    "min_confidence": _range("0", "1"),
    "min_stop_distance": _range("0", "0.5", PRICE, above=True),
    "max_stop_distance": _range("0", "0.5", PRICE, above=True),
    "min_notional": _range("0", "1000000", " in the book's currency", above=True),
    "max_slippage": _range("0", "0.05", PRICE),
    "max_data_age_seconds": _range("1", "3600", " seconds"),
    "max_side_exposure": _range("0", "20", " times equity", above=True),
    "price_band": _range("0", "0.5", PRICE, above=True),
    "max_spread": _range("0", "0.05", PRICE, above=True),
    "max_depth_share": _range("0", "100", " times what trades in one candle", above=True),
    "max_funding": _range("0", "0.1", " of the position a day"),
    "liquidation_buffer": _range("0", "2", " times the stop's distance"),
    "max_volatility": _range("0", "1", " of equity a day", above=True),
    "cooldown_minutes": _range("0", "10080", " minutes"),
    "stop_guard_count": _range("0", "1000"),
    "stop_guard_instrument_count": _range("0", "1000"),
    "low_profit_count": _range("0", "1000"),
    "low_profit": _range("-1", "1", " of the value of the positions"),
    "max_drawdown": _range("0", "1", EQUITY),
    "max_daily_loss": _range("0", "1", EQUITY),
    "max_trades_per_day": _range("0", "10000"),
    "max_loss_streak": _range("0", "1000"),
    "max_failures": _range("0", "1000"),
    "lock_look_back_minutes": _range("1", "43200", " minutes"),
    "lock_minutes": _range("1", "43200", " minutes"),
}


def objections(policy: Policy) -> dict[str, str]:
    """The limits that make no sense, by name, each with one sentence; empty where all do."""
    found = {
        name: allowed.sentence for name, allowed in RANGES.items() if not allowed.holds(Decimal(getattr(policy, name)))
    }
    # Numbers are compared with each other only where each makes sense by itself.
    return found or _contradictions(policy)


def _contradictions(policy: Policy) -> dict[str, str]:
    found = {}
    if policy.min_stop_distance > policy.max_stop_distance:
        found["max_stop_distance"] = (
            f"The largest stop distance, {policy.max_stop_distance}, is below the smallest, "
            f"{policy.min_stop_distance}: no stop could ever be placed."
        )
    if policy.max_position_notional > policy.max_exposure:
        found["max_position_notional"] = (
            f"One position of {policy.max_position_notional} times equity would exceed the limit of all together, "
            f"{policy.max_exposure}."
        )
    elif policy.max_position_notional > policy.max_side_exposure:
        found["max_side_exposure"] = (
            f"One position of {policy.max_position_notional} times equity would exceed the limit of its side, "
            f"{policy.max_side_exposure}."
        )
    reach = policy.max_leverage * policy.max_margin_use
    if policy.max_position_notional > reach:
        found.setdefault(
            "max_position_notional",
            f"With leverage {policy.max_leverage} and margins of {policy.max_margin_use} of equity at most, "
            f"no position can be larger than {reach} times equity.",
        )
    return found
