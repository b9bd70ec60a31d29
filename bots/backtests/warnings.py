"""What a reader should know before believing a report, in plain sentences: those of the run, and those of its figures.

The figures say how good it was; these say how little that may mean.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from markets.domain.rounding import ZERO

from .engine import Result
from .figures import Figures
from .luck import Luck
from .report import warnings as of_run

SHORT_DAYS = 90
DEEP = 0.3


def warnings(
    result: Result,
    found: Figures,
    chance: Luck | None,
    *,
    questions: Mapping[str, Any] | None,
    checks: Sequence[str] | None,
) -> list[str]:
    """The weightiest first."""
    return [
        *(checks or ()),
        *_questions(questions),
        *of_run(result),
        *_length(found),
        *_significance(found),
        *_beside_holding(found),
        *_open(result),
        *_luck(chance),
    ]


def _questions(told: Mapping[str, Any] | None) -> list[str]:
    if not told or not told["unanswered"]:
        return []
    of = told["asked"] + told["unanswered"]
    return [
        f"{told['unanswered']} of {of} questions had no known answer and were held: what the model would have done "
        "there is not known. Give it money to ask (--set money=1)."
    ]


def _length(found: Figures) -> list[str]:
    days = found.record.on_equity.days
    if days >= SHORT_DAYS:
        return []
    return [f"It covers {days} day{'s' if days != 1 else ''}: one kind of market, and too short for figures of a year."]


def _significance(found: Figures) -> list[str]:
    sure = found.record.positions.expectancy_interval
    mean = found.record.positions.expectancy
    if sure is None or mean is None or mean <= 0 or sure.low > 0:
        return []
    return [
        f"The mean trade made {mean:,.2f}, but by chance it may lie from {sure.low:,.2f} to {sure.high:,.2f}: "
        "that it gains is not shown."
    ]


def _beside_holding(found: Figures) -> list[str]:
    own, instead = found.record.on_equity.total_return, found.held_instead.total_return
    if own is None or instead is None or own >= instead:
        return []
    return [f"Doing nothing was better: buy and hold made {_signed(instead)}, this {_signed(own)}."]


def _signed(share: float) -> str:
    return f"{share:+.1%}".replace("-", "−")


def _open(result: Result) -> list[str]:
    total = result.equity - result.setup.cash
    closed = sum((one.net for one in result.closed), start=ZERO)
    if not result.open or abs(total - closed) <= abs(total) / 4:
        return []
    count = len(result.open)
    what = "A position is" if count == 1 else f"{count} positions are"
    worth = f"{total - closed:+,.2f} of the result of {total:+,.2f} is not realised".replace("-", "−")
    return [f"{what} still open at the end: {worth}."]


def _luck(chance: Luck | None) -> list[str]:
    if chance is None:
        return []
    found, bad = [], chance.shuffled_drawdown[-1]
    if bad >= DEEP:
        found.append(f"In another order the same trades would have fallen by {bad:.0%} or more one time in twenty.")
    if chance.loss >= 0.25 and chance.drawn_equity[2] > 0:
        found.append(f"Trades drawn anew from these end with a loss in {chance.loss:.0%} of the draws.")
    return found
