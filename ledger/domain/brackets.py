"""Bracket or flat: which protective orders a position needs, given those that rest.

A stop is replaced new before cancel, so there is no moment without one. Nothing here sends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from markets.domain.frozen import quick


@quick
@dataclass(frozen=True, slots=True)
class Resting:
    """A live protective order: its row id, role ("stop" or "target"), trigger and remaining quantity."""

    id: int
    role: str
    trigger: Decimal
    quantity: Decimal


@quick
@dataclass(frozen=True, slots=True)
class Wanted:
    """A protective order to place. `replaces` is the row id of the order it stands in for, if any."""

    role: str
    trigger: Decimal
    quantity: Decimal
    replaces: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Brackets:
    """What to place, then what to cancel, in that order."""

    place: tuple[Wanted, ...]
    cancel: tuple[int, ...]


def needed(
    quantity: Decimal,
    stop: Decimal | None,
    target: Decimal | None,
    resting: Sequence[Resting],
    sizes: Sequence[Decimal] = (),
) -> Brackets:
    """What brings the resting orders in line with a position of unsigned `quantity` and its plan.

    `sizes`: the orders that it takes for the whole position, where the venue does not take it in one.
    """
    place: list[Wanted] = []
    cancel: list[int] = []
    for role, trigger in (("stop", stop), ("target", target)):
        rest = [order for order in resting if order.role == role]
        missing = list(sizes or (quantity,)) if trigger is not None and quantity else []
        unfit = _unfit(rest, trigger, missing)
        for number, size in enumerate(missing):
            place.append(Wanted(role, trigger or size, size, unfit[number].id if number < len(unfit) else None))
        cancel.extend(order.id for order in unfit)
    return Brackets(tuple(place), tuple(cancel))


def _unfit(rest: Sequence[Resting], trigger: Decimal | None, missing: list[Decimal]) -> list[Resting]:
    """Those that are not wanted; the sizes that the others have are taken off `missing`."""
    unfit = []
    for order in rest:
        if order.trigger == trigger and order.quantity in missing:
            missing.remove(order.quantity)
        else:
            unfit.append(order)
    return unfit
