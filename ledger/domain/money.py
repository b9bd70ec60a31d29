"""Sums of the cash journal: what a book and an account hold, per currency. Nothing here rounds."""

from collections.abc import Iterable
from decimal import Decimal

from markets.domain.rounding import ZERO


def balances(entries: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """The balance per currency of (currency, signed amount) entries; currencies at zero stay listed."""
    sums: dict[str, Decimal] = {}
    for currency, amount in entries:
        sums[currency] = sums.get(currency, ZERO) + amount
    return sums
