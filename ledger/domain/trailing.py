"""Trailing stops: the stop follows the mark at a fixed fraction and never loosens."""

from decimal import Decimal

from markets.domain.instruments import InstrumentRules


def trailed(stop: Decimal, mark: Decimal, trail: Decimal, long: bool, rules: InstrumentRules) -> Decimal:
    """The stop after the mark has moved: `trail` is its distance as a fraction of the mark. Only ever tighter."""
    if long:
        return max(stop, rules.price_down(mark * (1 - trail)))
    return min(stop, rules.price_up(mark * (1 + trail)))
