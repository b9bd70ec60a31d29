"""The ladder of a position: liquidation, stop, entry, mark and target on one line at their true distances.

Pure geometry in percent of the line's width, so that a page only draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

MARGIN = 4.0  # percent of the line kept free at both ends
LABEL_GAP = 18.0  # percent between the middles of two labels on one side of the line


@dataclass(frozen=True, slots=True)
class Rung:
    """One price on the line. `at` is its place and `label` that of its word, in percent from the left.

    `distance` is the way from the mark to it as a fraction of the mark, signed. `above` tells on which side
    of the line its word stands.
    """

    name: str
    price: Decimal
    distance: Decimal
    at: float
    label: float
    above: bool


def ladder(
    *,
    mark: Decimal,
    entry: Decimal,
    stop: Decimal | None,
    target: Decimal | None,
    liquidation: Decimal | None,
) -> tuple[Rung, ...]:
    """The rungs from left (lowest price) to right. What is so goes above the line, what may come below it."""
    prices = {"liquidation": liquidation, "stop": stop, "entry": entry, "mark": mark, "target": target}
    known = sorted(((price, name) for name, price in prices.items() if price is not None), key=lambda p: p[0])
    lowest, highest = known[0][0], known[-1][0]
    width = float(highest - lowest) or 1.0
    places = {name: MARGIN + (100 - 2 * MARGIN) * float(price - lowest) / width for price, name in known}
    labels: dict[str, float] = {}
    for side in (True, False):
        names = [name for _, name in known if (name in ("entry", "mark")) is side]
        labels.update(zip(names, spread([places[name] for name in names], LABEL_GAP), strict=True))
    return tuple(
        Rung(name, price, price / mark - 1, places[name], labels[name], name in ("entry", "mark"))
        for price, name in known
    )


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Ascending places moved apart to at least `gap`, in order, and half a gap inside 0 and 100.

    Two sweeps: from the left each is pushed right of the one before, from the right back inside the end.
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap if moved else gap / 2))
    limit = 100 - gap / 2
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved
