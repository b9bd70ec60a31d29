"""Isolated margin of linear perpetuals with maintenance tiers. Amounts are in the settle currency.

Prices are exact here and not at the tick: the venue decides which tick is the first beyond. Cross margin and
two-sided positions are not known.
"""

from collections.abc import Sequence
from decimal import Decimal

from .instruments import MarginTier
from .rounding import ONE, ZERO, round_cash_up

_NO_TIER = MarginTier(floor=ZERO, maintenance_rate=ZERO, maintenance_amount=ZERO, max_leverage=1)


def initial_margin(notional: Decimal, leverage: int) -> Decimal:
    """What an entry of `notional` puts up: notional / leverage, rounded up to the cash unit.

    Source: Binance, "Leverage and Margin of USD-M Futures".
    """
    return round_cash_up(notional / leverage)


def maintenance_margin(notional: Decimal, tiers: Sequence[MarginTier]) -> Decimal:
    """The equity below which a position of `notional` is liquidated, rounded up; never negative.

    notional * maintenance rate - maintenance amount, of the tier that holds for `notional`. Source: Binance,
    "Leverage and Margin of USD-M Futures". Without tiers it is zero.
    """
    tier = tier_of(notional, tiers)
    return max(round_cash_up(notional * tier.maintenance_rate - tier.maintenance_amount), ZERO)


def tier_of(notional: Decimal, tiers: Sequence[MarginTier]) -> MarginTier:
    """The tier that holds for `notional`; one that asks for nothing where there are no tiers."""
    for tier in reversed(tiers):
        if notional >= tier.floor:
            return tier
    return tiers[0] if tiers else _NO_TIER


def liquidation_price(quantity: Decimal, cost: Decimal, margin: Decimal, tiers: Sequence[MarginTier]) -> Decimal | None:
    """The mark at which margin and unrealised result have shrunk to the maintenance margin.

    (margin + cum - side * size * entry) / (size * (rate - side)), with size * entry = `cost` and `quantity`
    signed. Source: Binance, "How to Calculate Liquidation Price of USD-M Futures Contracts", for one isolated
    one-way position; as prescribed there, rate and amount (cum) are those of the tier that holds at the
    liquidation price itself. None where no price above zero liquidates. `quantity` must not be zero.
    """
    size, side = (quantity, ONE) if quantity > ZERO else (-quantity, -ONE)
    entered = tier_of(cost, tiers)
    price = first = _liquidated_at(size, side, cost, margin, entered)
    if tier_of(size * first, tiers) is not entered:
        prices = ((_liquidated_at(size, side, cost, margin, tier), tier) for tier in tiers)
        # A table that jumps between its tiers can have no tier that holds: the one of the entry stands.
        price = next((price for price, tier in prices if tier_of(size * price, tiers) is tier), first)
    return price if price > ZERO else None


def _liquidated_at(size: Decimal, side: Decimal, cost: Decimal, margin: Decimal, tier: MarginTier) -> Decimal:
    return (margin + tier.maintenance_amount - side * cost) / (size * (tier.maintenance_rate - side))


def bankruptcy_price(quantity: Decimal, cost: Decimal, margin: Decimal, fee_rate: Decimal = ZERO) -> Decimal:
    """The price at which closing the position loses exactly its margin, the fee at `fee_rate` included.

    Long: (cost - margin) / (size * (1 - fee)); short: (cost + margin) / (size * (1 + fee)). Without a fee and
    with the initial margin this is entry * (1 -+ 1 / leverage): Bybit, "Bankruptcy Price (USDT Contract)".
    Not above zero where a long has put up all its cost. `quantity` is signed and not zero.
    """
    size = abs(quantity)
    if quantity > 0:
        return (cost - margin) / (size * (ONE - fee_rate))
    return (cost + margin) / (size * (ONE + fee_rate))
