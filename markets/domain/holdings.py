"""A signed quantity and what it cost. One formula for venue, ledger and backtest, exact to the last unit.

Cost is kept instead of an average price, because a quotient need not end; closing releases cost in
proportion, and the last close releases what is left, so nothing is created or lost by rounding.
"""

from dataclasses import dataclass
from decimal import Decimal

from .frozen import quick
from .orders import Side
from .rounding import ZERO, round_cash

_BUY = Side.BUY


def unrealised(quantity: Decimal, cost: Decimal, mark: Decimal) -> Decimal:
    """What a signed `quantity` that cost `cost` gains (+) or loses (-) if closed at `mark`, before fees."""
    value = round_cash(abs(quantity) * mark)
    return value - cost if quantity > 0 else cost - value


def traded(
    held: Decimal, cost: Decimal, side: Side, quantity: Decimal, price: Decimal
) -> tuple[Decimal, Decimal, Decimal]:
    """Signed quantity and cost after a trade of `quantity` > 0 at `price`, and the realised result before fees.

    A trade through flat closes the old holding and opens one on the other side.
    """
    realised, buying, opening = ZERO, side is _BUY, quantity
    if held < 0 if buying else held > 0:
        closing = min(quantity, abs(held))
        held, cost, realised = _closed(held, cost, closing, price)
        opening = quantity - closing
        if not opening:
            return held, cost, realised
    return held + (opening if buying else -opening), cost + round_cash(opening * price), realised


def _closed(held: Decimal, cost: Decimal, quantity: Decimal, price: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    size = abs(held)
    released = cost if quantity == size else round_cash(cost * quantity / size)
    value = round_cash(quantity * price)
    if held > 0:
        return held - quantity, cost - released, value - released
    return held + quantity, cost - released, released - value


@quick
@dataclass(frozen=True, slots=True)
class Holding:
    """`quantity` is signed (long > 0), in base units; `cost` is its entry value, never negative."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def entry_price(self) -> Decimal:
        """Average entry price, not rounded. The holding must not be flat."""
        return self.cost / abs(self.quantity)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Gain (+) or loss (-) in the settle currency if closed at `mark`, before fees."""
        return unrealised(self.quantity, self.cost, mark)

    def traded(self, side: Side, quantity: Decimal, price: Decimal) -> tuple["Holding", Decimal]:
        """The holding after a trade, and the realised result: see `traded`."""
        held, cost, realised = traded(self.quantity, self.cost, side, quantity, price)
        return Holding(held, cost), realised
