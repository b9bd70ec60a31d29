"""What came of one fault; nothing of the product is imported here, so that it can be handed between processes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One fault produced: seconds until all was well again, and what was lost; the points at which somebody died."""

    seconds: float
    lost: tuple[str, ...] = ()
    note: str = ""
    points: tuple[str, ...] = ()
