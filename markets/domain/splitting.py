"""A quantity in as few orders as its venue takes: none above the largest, and none a small remainder."""

from decimal import Decimal

MOST = 20  # orders at once; what an exit leaves is asked for anew, and no stop covers more


def pieces(quantity: Decimal, largest: Decimal | None, step: Decimal) -> tuple[Decimal, ...]:
    """An unsigned `quantity` in pieces of nearly the same size, at the step but for what was off it before."""
    if largest is None or quantity <= largest or largest < step:
        return (quantity,)
    units, most = int(quantity // step), int(largest // step)
    count = -(-units // most)
    if count > MOST:
        return (most * step,) * MOST
    each, more = divmod(units, count)
    sizes = [(each + (n < more)) * step for n in range(count)]
    sizes[-1] += quantity - units * step
    return tuple(sizes)
