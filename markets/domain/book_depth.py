"""What a market order pays: a walk through known book levels, or spread and impact where no book is known.

Prices are rounded to the tick against the taker. A maker never comes here: it trades at its own price.
"""

from collections.abc import Sequence
from decimal import Decimal

from .instruments import InstrumentRules
from .orders import Side
from .rounding import ONE, ZERO, round_cash

# Of the price, whatever the order: beyond this the law is extrapolated further than anybody has measured.
MAX_IMPACT = Decimal("0.05")
# In the quote currency, where nothing is known of what trades: about a minute of a small perpetual.
UNKNOWN_LIQUIDITY = Decimal(10_000)
_BUY = Side.BUY


def walk(levels: Sequence[tuple[Decimal, Decimal]], quantity: Decimal) -> tuple[Decimal, Decimal]:
    """What a market order of `quantity` takes from `levels` of (price, quantity), best first.

    Gives (filled quantity, value in the quote currency); filled is less than `quantity` where the book ends.
    """
    filled, value = ZERO, ZERO
    for price, offered in levels:
        taken = min(offered, quantity - filled)
        filled += taken
        value += round_cash(taken * price)
        if filled == quantity:
            break
    return filled, value


def impact(notional: Decimal, liquidity: Decimal, coefficient: Decimal) -> Decimal:
    """How far an order of `notional` moves its own price, as a fraction of it: coefficient * sqrt(share).

    The square-root law: Almgren, Thum, Hauptmann and Li, "Direct estimation of equity market impact", 2005
    (with the exponent 3/5), and Toth et al., "Anomalous price impact and the critical nature of liquidity in
    financial markets", 2011. `liquidity` is what usually trades in one base candle, in the quote currency;
    zero or less means unknown and counts as `UNKNOWN_LIQUIDITY`. Never above `MAX_IMPACT`.
    """
    if not coefficient:
        return ZERO
    share = notional / (liquidity if liquidity > 0 else UNKNOWN_LIQUIDITY)
    return min(coefficient * share.sqrt(), MAX_IMPACT)


def taker_price(
    reference: Decimal,
    side: Side,
    quantity: Decimal,
    liquidity: Decimal,
    rules: InstrumentRules,
    half_spread: Decimal | None = None,
) -> Decimal:
    """The average price of a market order: reference * (1 +- (half spread + impact)), at the tick.

    `reference` is the price between bid and ask, with the half spread of the rules; pass `half_spread` zero
    where it is the bid or the ask itself. A sale is never below one tick.
    """
    spread = rules.half_spread if half_spread is None else half_spread
    cost = spread + impact(quantity * reference, liquidity, rules.impact)
    if side is _BUY:
        return rules.price_up(reference * (ONE + cost))
    return max(rules.price_down(reference * (ONE - cost)), rules.tick)
