"""When a limit entry that waits is moved after the market, and how far at most.

It is moved a few times and by little: what was decided was a price, not a pursuit.
"""

from datetime import timedelta
from decimal import Decimal

from markets.domain.instruments import InstrumentRules

AFTER = timedelta(minutes=2)  # a limit that nobody took for so long
MOST = 3  # times
CHASE = Decimal("0.003")  # of the price it was judged at, over all its moves


def repriced(
    *, long: bool, limit: Decimal, judged_at: Decimal, mark: Decimal, rules: InstrumentRules
) -> Decimal | None:
    """A limit nearer to the mark, within `CHASE` of the price it was judged at; None where none is nearer."""
    if long:
        price = rules.price_down(min(mark, judged_at * (1 + CHASE)))
        return price if price > limit else None
    price = rules.price_up(max(mark, judged_at * (1 - CHASE)))
    return price if price < limit else None
