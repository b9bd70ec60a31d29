"""What was measured, as one table for people and one file for programs. Nothing is measured here."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HEADINGS = ("figure", "value", "min to max", "beside it", "ratio", "target", "met")


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: a value of each run, and the values of what stands beside it, of the same runs.

    `at_most` or `at_least` is its target; with `of_ratio` the target holds for the ratio to what stands beside it.
    """

    name: str
    unit: str
    values: Sequence[float]
    beside: str = ""
    peers: Sequence[float] = ()
    at_most: float | None = None
    at_least: float | None = None
    of_ratio: bool = False

    @property
    def value(self) -> float:
        return statistics.median(self.values)

    @property
    def ratio(self) -> float | None:
        """The median over that of what stands beside it."""
        peer = statistics.median(self.peers) if self.peers else 0.0
        return self.value / peer if peer else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        judged = self.ratio if self.of_ratio else self.value
        if judged is None or (self.at_most is None and self.at_least is None):
            return None
        return judged <= self.at_most if self.at_most is not None else judged >= (self.at_least or 0.0)

    def as_json(self) -> dict[str, Any]:
        return {
            "figure": self.name, "unit": self.unit, "value": self.value, "runs": list(self.values),
            "beside": self.beside, "peers": list(self.peers), "ratio": self.ratio,
            "at_most": self.at_most, "at_least": self.at_least, "of_ratio": self.of_ratio, "met": self.met,
        }  # fmt: skip

    def row(self) -> tuple[str, ...]:
        peer = f"{short(statistics.median(self.peers))} {self.beside}" if self.peers else self.beside
        return (
            self.name,
            f"{short(self.value)} {self.unit}".rstrip(),
            f"{short(min(self.values))} to {short(max(self.values))}" if len(self.values) > 1 else "one run",
            peer or "-",
            "-" if self.ratio is None else f"{short(self.ratio)}x",
            self._target(),
            {True: "yes", False: "NO", None: "-"}[self.met],
        )

    def _target(self) -> str:
        sign, bound = ("<=", self.at_most) if self.at_most is not None else (">=", self.at_least)
        return "-" if bound is None else f"{sign} {short(bound)}{'x' if self.of_ratio else ''}"


def short(value: float) -> str:
    """Three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def table(figures: Iterable[Figure]) -> str:
    """The figures in columns, with a heading."""
    rows = [HEADINGS, *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
