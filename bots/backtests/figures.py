"""The statistics of a backtest: what `ledger.track_record` makes of a book, made of a run, with buy and hold beside it.

Nothing is computed here that the ledger computes: positions become its columns, equity its days. Floats, for ratios and
charts; money stays with the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ledger.domain.statistics import Closed, Columns, DailyFigures, daily_figures, with_every_day
from ledger.domain.statistics.positions import DAY
from ledger.track_record import Day, Kept, Record, told
from markets.domain.candles import Floats

from . import curve
from .engine import Result
from .records import Position


@dataclass(frozen=True, slots=True)
class Lines:
    """Values at each instant, oldest first: UTC seconds, equity, value of what is held, and buy and hold."""

    times: NDArray[np.int64]
    equity: Floats
    notional: Floats
    held_instead: Floats


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a run. `held_instead`: the instruments in equal parts from the start, one taker fee."""

    record: Record
    held_instead: DailyFigures
    lines: Lines


def figures(result: Result) -> Figures:
    lines = lines_of(result)
    began, cash = int(lines.times[0]), float(result.setup.cash)
    kept = Kept(Closed().and_then(columns(result.closed)), 0, _days(lines))
    paid = {began // DAY: cash}
    instead = with_every_day(dict(_ends(lines.times, lines.held_instead)), paid)
    return Figures(told(kept, [(began, result.setup.cash)]), daily_figures(instead), lines)


def columns(closed: Sequence[Position]) -> Columns:
    """Closed positions as the columns of the ledger's statistics, in the order in which they closed."""
    ended = sorted(closed, key=lambda one: (one.closed_at, one.id))
    return Columns(
        ids=[one.id for one in ended],
        closed=[int(one.closed_at.timestamp()) for one in ended if one.closed_at],
        opened=[int(one.opened_at.timestamp()) for one in ended if one.opened_at],
        long=[one.long for one in ended],
        realised=[one.figures.realised for one in ended],
        fees=[one.figures.fees for one in ended],
        funding=[one.funding for one in ended],
        traded=[float(one.figures.entry_value + one.figures.exit_value) for one in ended],
    )


def lines_of(result: Result) -> Lines:
    market = result.market
    times = (market.start + market.step * np.arange(market.instants + 1, dtype=np.int64)) // 1000
    return Lines(times, curve.equity(result), _notional(result), held_instead(result))


def held_instead(result: Result) -> Floats:
    """What the cash would be worth had it only been laid into the instruments, in equal parts, at the first instant.

    An instrument without a price then is left out; without any it stays cash.
    """
    cash, count = float(result.setup.cash), result.market.instants + 1
    parts = []
    for course in result.market.courses.values():
        first = course.quote(0)
        if first is not None:
            paid = 1 - float(course.rules.taker_fee)
            worth = paid * course.marks(count) / float(first.last)
            worth[0] = 1.0
            parts.append(worth)
    return cash * np.mean(parts, axis=0) if parts else np.full(count, cash)


def _notional(result: Result) -> Floats:
    """The absolute value of all that is held, at each instant."""
    count = result.market.instants + 1
    starts = np.array([step.number for step in result.path], dtype=np.int64)
    lengths, total = np.diff(np.append(starts, count)), np.zeros(count)
    for symbol, course in result.market.courses.items():
        held = [sum(abs(float(row[1])) for row in step.positions if row[0] == symbol) for step in result.path]
        if any(held):
            total += np.repeat(np.array(held), lengths) * np.nan_to_num(course.marks(count))
    return total


def _days(lines: Lines) -> dict[int, Day]:
    """By day since 1970. What is so at midnight ends a day and begins none, but for the first instant."""
    share = np.divide(lines.notional, lines.equity, out=np.zeros_like(lines.equity), where=lines.equity > 0)
    days = _day_of(lines.times)
    first, counts = days[0], np.bincount(days - days[0])
    exposure = np.bincount(days - first, share) / np.maximum(counts, 1)
    invested = np.bincount(days - first, lines.notional > 0) / np.maximum(counts, 1)
    return {
        day: Day(value, float(exposure[day - first]), float(invested[day - first]))
        for day, value in _ends(lines.times, lines.equity)
    }


def _ends(times: NDArray[np.int64], values: Floats) -> list[tuple[int, float]]:
    """The last value of each day, oldest first."""
    days = _day_of(times)
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    return list(zip(days[last].tolist(), values[last].tolist(), strict=True))


def _day_of(times: NDArray[np.int64]) -> NDArray[np.int64]:
    days: NDArray[np.int64] = np.maximum(times - 1, times[0]) // DAY
    return days
