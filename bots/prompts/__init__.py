"""The wording that ships with the product, one text file each. Owners copy it into versions of their own."""

from functools import cache
from pathlib import Path

from bots.domain.prompt import Wording

NAMES = ("standard", "emergency")


@cache
def shipped(name: str) -> Wording:
    """The wording of this name. Raises KeyError for a name there is none of."""
    if name not in NAMES:
        raise KeyError(name)
    return Wording(Path(__file__).with_name(f"{name}.txt").read_text(encoding="utf-8").strip(), name)
