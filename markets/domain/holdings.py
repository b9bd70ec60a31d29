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
        """The holding after a trade of `quantity` > 0 at `price`, and the realised result before fees.

        A trade through flat closes the old holding and opens one on the other side.
        """
        buying, held = side is _BUY, self.quantity
        if held < 0 if buying else held > 0:
            closing = min(quantity, abs(held))
            kept, realised = self._closed(closing, price)
            opening = quantity - closing
            if not opening:
                return kept, realised
        else:
            kept, realised, opening = self, ZERO, quantity
        cost = kept.cost + round_cash(opening * price)
        return Holding(kept.quantity + (opening if buying else -opening), cost), realised

    def _closed(self, quantity: Decimal, price: Decimal) -> tuple["Holding", Decimal]:
        size = abs(self.quantity)
        released = self.cost if quantity == size else round_cash(self.cost * quantity / size)
        value = round_cash(quantity * price)
        if self.quantity > 0:
            return Holding(self.quantity - quantity, self.cost - released), value - released
        return Holding(self.quantity + quantity, self.cost - released), released - value
