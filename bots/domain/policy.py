"""The limits of a bot as one frozen value, and the presets a person chooses from."""

from dataclasses import dataclass, fields
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits. Fractions are of the book's equity unless the name says price, seconds or a count."""

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


def _preset(name: str, *values: str | int) -> Policy:
    typed = (value if isinstance(value, int) else Decimal(value) for value in values)
    return Policy(name, 1, **dict(zip(_LIMITS, typed, strict=True)))  # type: ignore[arg-type]


_LIMITS = [field.name for field in fields(Policy)][2:]

PRESETS: dict[str, Policy] = {
    "cautious": _preset(
        "cautious", "0.005", "0.25", 3, "0.6", 2, "0.35", "1.5", "0.5", "0.003", "0.06", "10", "0.001", 120
    ),
    "balanced": _preset(
        "balanced", "0.01", "0.5", 4, "1.5", 3, "0.6", "1.2", "0.3", "0.002", "0.1", "10", "0.002", 180
    ),
    "bold": _preset("bold", "0.02", "1.0", 6, "3.0", 5, "0.8", "1.0", "0.2", "0.001", "0.15", "10", "0.003", 180),
}
