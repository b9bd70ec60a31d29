"""How often and how long somebody trades, as the chances of a lot drawn at each slot."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frequency:
    """Chances for one slot and instrument: of entering while flat, of leaving while held; and the share of longs."""

    entry_chance: float
    exit_chance: float
    long_share: float


def frequency(*, positions: int, longs: int, held: float, slots: int, interval: float, instruments: int) -> Frequency:
    """The chances with which lots give as many positions, as long on average.

    `held` are the seconds of all positions together, within `slots` slots of `interval` seconds, of so many
    instruments. Raises ValueError where nothing was traded: there is no frequency to match.
    """
    if not positions or slots <= 0:
        raise ValueError("There are no closed trades whose frequency could be matched.")
    taken = max(held / interval, positions)  # what was held for less than a slot takes one all the same
    flat = max(slots * instruments - taken, positions)
    return Frequency(positions / flat, positions / taken, longs / positions)
