"""The figures of a position from flat to flat, moved by fills alone.

A fill through flat ends one position and begins another; its fee is split by quantity, to the last unit.
"""

from dataclasses import dataclass, replace
from decimal import Decimal

from markets.domain.frozen import quick
from markets.domain.holdings import traded
from markets.domain.margin import initial_margin
from markets.domain.orders import Fill, Side
from markets.domain.rounding import ZERO, round_cash, round_cash_up

_BUY = Side.BUY


@quick
@dataclass(frozen=True, slots=True)
class Figures:
    """`quantity` is signed; values are sums of quantity times price; `realised` is before fees."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    size: Decimal = ZERO
    entry_value: Decimal = ZERO
    entry_quantity: Decimal = ZERO
    exit_value: Decimal = ZERO
    exit_quantity: Decimal = ZERO
    margin: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO

    def with_margin(self, amount: Decimal) -> "Figures":
        """After `amount` (signed) has gone into the margin: what funding takes out of it is negative."""
        return replace(self, margin=self.margin + amount) if amount else self

    def with_result(self, amount: Decimal) -> "Figures":
        """After a result without a trade: what a liquidation took or gave back."""
        return replace(self, realised=self.realised + amount) if amount else self


def after_fill(figures: Figures, fill: Fill, leverage: int) -> tuple[Figures, Figures | None]:
    """The figures after a fill, and those of the position that a fill through flat began (else None).

    `leverage` is that of the order: an entry adds its value over leverage to the isolated margin, an exit gives
    margin back in proportion.
    """
    held = figures.quantity
    if not (held < 0 if fill.side is _BUY else held > 0):
        # A result without a position to close: the venue knew of one that we did not. Its cash moved all the same.
        return _entered(figures, fill, fill.quantity, fill.fee, leverage).with_result(fill.realised), None
    closing = min(fill.quantity, abs(held))
    opening = fill.quantity - closing
    closing_fee = round_cash(fill.fee * closing / fill.quantity) if opening else fill.fee
    ended = _exited(figures, fill, closing, closing_fee)
    begun = _entered(Figures(), fill, opening, fill.fee - closing_fee, leverage) if opening else None
    return ended, begun


def _entered(figures: Figures, fill: Fill, quantity: Decimal, fee: Decimal, leverage: int) -> Figures:
    held, cost, _ = traded(figures.quantity, figures.cost, fill.side, quantity, fill.price)
    value = quantity * fill.price
    return Figures(
        quantity=held,
        cost=cost,
        size=max(figures.size, abs(held)),
        entry_value=figures.entry_value + value,
        entry_quantity=figures.entry_quantity + quantity,
        exit_value=figures.exit_value,
        exit_quantity=figures.exit_quantity,
        margin=figures.margin + initial_margin(round_cash(value), leverage),
        realised=figures.realised,
        fees=figures.fees + fee,
    )


def _exited(figures: Figures, fill: Fill, quantity: Decimal, fee: Decimal) -> Figures:
    held, cost, _ = traded(figures.quantity, figures.cost, fill.side, quantity, fill.price)
    return Figures(
        quantity=held,
        cost=cost,
        size=figures.size,
        entry_value=figures.entry_value,
        entry_quantity=figures.entry_quantity,
        exit_value=figures.exit_value + quantity * fill.price,
        exit_quantity=figures.exit_quantity + quantity,
        margin=round_cash_up(figures.margin * abs(held) / abs(figures.quantity)),
        # The venue's own figure: a computed one would differ from its wallet in the last unit.
        realised=figures.realised + fill.realised,
        fees=figures.fees + fee,
    )
