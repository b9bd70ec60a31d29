"""The limits of a bot as one frozen value, and the presets a person chooses from."""

from dataclasses import dataclass, fields
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits. Fractions are of the book's equity unless the name says price, seconds or a count.

    From `cooldown_minutes` on they say what locks entries for a while; zero switches one off.
    """

    name: str
    version: int
    risk_per_trade: Decimal
    max_position_notional: Decimal
    max_positions: int
    max_exposure: Decimal
    max_leverage: int
    max_margin_use: Decimal
    min_reward_to_risk: Decimal
    min_confidence: Decimal
    min_stop_distance: Decimal
    max_stop_distance: Decimal
    min_notional: Decimal
    max_slippage: Decimal
    max_data_age_seconds: int
    max_side_exposure: Decimal
    price_band: Decimal
    max_spread: Decimal
    max_depth_share: Decimal
    max_funding: Decimal
    liquidation_buffer: Decimal
    max_volatility: Decimal
    cooldown_minutes: int
    stop_guard_count: int
    stop_guard_instrument_count: int
    low_profit_count: int
    low_profit: Decimal
    max_drawdown: Decimal
    max_daily_loss: Decimal
    max_trades_per_day: int
    max_loss_streak: int
    max_failures: int
    lock_look_back_minutes: int
    lock_minutes: int


LIMITS = tuple(field.name for field in fields(Policy))[2:]


def _preset(name: str, *values: str | int) -> Policy:
    typed = (value if isinstance(value, int) else Decimal(value) for value in values)
    return Policy(name, 1, **dict(zip(LIMITS, typed, strict=True)))  # type: ignore[arg-type]


PRESETS: dict[str, Policy] = {
    "cautious": _preset(
        "cautious", "0.005", "0.25", 3, "0.6", 2, "0.35", "1.5", "0.5", "0.003", "0.06", "10", "0.001", 120,
        "0.5", "0.05", "0.001", "0.25", "0.0015", "0.5", "0.03",
        30, 4, 2, 4, "0", "0.1", "0.02", 20, 4, 3, 1440, 240,
    ),
    "balanced": _preset(
        "balanced", "0.01", "0.5", 4, "1.5", 3, "0.6", "1.2", "0.3", "0.002", "0.1", "10", "0.002", 180,
        "1.5", "0.1", "0.002", "0.5", "0.003", "0.25", "0.08",
        5, 6, 3, 0, "0", "0.2", "0.05", 50, 6, 5, 1440, 120,
    ),
    "bold": _preset(
        "bold", "0.02", "1.0", 6, "3.0", 5, "0.8", "1.0", "0.2", "0.001", "0.15", "10", "0.003", 180,
        "3.0", "0.1", "0.004", "1.0", "0.01", "0.25", "0.2",
        0, 8, 4, 0, "0", "0.35", "0.1", 100, 10, 10, 1440, 60,
    ),
}  # fmt: skip
