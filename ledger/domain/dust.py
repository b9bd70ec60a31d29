"""Remainders that are smaller than an order may be: a venue may refuse to close them, and nobody gains by insisting."""

from decimal import Decimal

from markets.domain.instruments import InstrumentRules


def below_a_step(quantity: Decimal, rules: InstrumentRules) -> bool:
    """Whether a holding is less than the least that an order can name: nothing can close it."""
    return not rules.quantity(abs(quantity))


def is_dust(quantity: Decimal, price: Decimal, rules: InstrumentRules) -> bool:
    """Whether a holding of signed `quantity`, worth `price` each, is below the smallest order of its instrument."""
    size = abs(quantity)
    return size < rules.min_quantity or size * price < rules.min_notional
