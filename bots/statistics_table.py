"""The statistics of a bot as the rows of two small tables of its page: words and figures, nothing computed."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledger.domain.statistics import DailyFigures, Fall, Interval, PositionFigures
from ledger.domain.statistics.positions import DAY, Holding, Side
from ledger.protection import bare_seconds
from ledger.track_record import Record, record

from .buy_and_hold import held_instead
from .models import Bot
from .templatetags.figures import UNKNOWN, change, percent, share, span, written

# A figure of a year that rests on a few days is a fantasy.
LEAST_DAYS = 30


@dataclass(frozen=True, slots=True)
class Row:
    """`cells` stand under the table's columns; `title` explains the name, `beside` is small print under it."""

    name: str
    cells: tuple[str, ...]
    title: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Tables:
    """`ratios` has a column for closed positions, one for daily equity and one for buy-and-hold."""

    ratios: list[Row]
    trading: list[Row]
    days: int

    @property
    def short(self) -> bool:
        """Whether there are too few days for figures of a year."""
        return self.days < LEAST_DAYS


def tables(bot: Bot) -> Tables:
    """Both tables of a bot as it stands now."""
    told = of_record(record(bot.book), held_instead(bot))
    return replace(told, trading=[*told.trading, _bare(bot)])


def of_record(told: Record, held: DailyFigures) -> Tables:
    """Both tables of a record, with what holding the same instruments would have made beside it."""
    return Tables(_ratios(told, held), _trading(told), told.on_equity.days)


def _ratios(told: Record, held: DailyFigures) -> list[Row]:
    columns = (told.on_closed, told.on_equity, held)

    def row(name: str, write: Any, part: str, title: str) -> Row:
        return Row(name, tuple(write(getattr(one, part)) for one in columns), title)

    def yearly(name: str, write: Any, part: str, title: str) -> Row:
        cells = (write(getattr(one, part) if one.days >= LEAST_DAYS else None) for one in columns)
        sure = getattr(told.on_equity, f"{part}_interval", None) if told.on_equity.days >= LEAST_DAYS else None
        return Row(name, tuple(cells), title, _between(sure, write))

    return [
        row("Return", _percent, "total_return", "From the first day to now, deposits and withdrawals taken out"),
        yearly("A year", _percent, "annual_return", "The same return at that pace over 365 days"),
        yearly("Volatility", _share, "volatility", "Standard deviation of daily returns, a year"),
        yearly("Sharpe", _ratio, "sharpe", "Mean daily return over volatility, a year"),
        yearly("Sortino", _ratio, "sortino", "Mean daily return over downside deviation, a year"),
        yearly("Calmar", _ratio, "calmar", "Return a year over the deepest drawdown"),
        row("Omega", _ratio, "omega", "Sum of gains over sum of losses of all days"),
        row("Worst days", _percent, "cvar", "Mean of the worst twentieth of the days (CVaR)"),
        Row("Drawdown by days", tuple(_depth(one.fall) for one in columns), "At their ends", _dates(told.on_equity)),
        Row("Under water", tuple(_longest(one.fall) for one in columns), "Longest time below a peak"),
    ]


def _trading(told: Record) -> list[Row]:
    figures = told.positions
    return [
        Row("Win rate", (_share(figures.win_rate, 0),), "", _between(figures.win_rate_interval, _whole_share)),
        Row("Profit factor", (_ratio(figures.profit_factor),), "Gains over losses", _between(
            figures.profit_factor_interval, _ratio
        )),
        Row("Expectancy", (_change(figures.expectancy),), "Mean net result", _between(
            figures.expectancy_interval, _change
        )),
        Row("SQN", (_ratio(figures.sqn),), "Root of the number of positions times mean over standard deviation",
            _between(figures.sqn_interval, _ratio)),
        Row("Payoff", (_ratio(figures.payoff),), "Mean gain over mean loss"),
        Row("Best, worst", (_extremes(figures),), "Net results of single positions"),
        Row("Streaks", (f"{figures.winning_streak} won, {figures.losing_streak} lost",), "Longest in a row"),
        Row("Long", (_side(figures.longs),)),
        Row("Short", (_side(figures.shorts),)),
        Row("Held", (_held(figures.held),), "Median time", _both(figures)),
        Row("Invested", (_share(told.invested, 0),), "Share of time with a position", _exposure(told)),
        Row("Turnover a day", (_ratio(told.turnover),), "Value of all fills over mean equity"),
    ]  # fmt: skip


def _bare(bot: Bot) -> Row:
    found = bare_seconds(bot.book)
    title = "Time from the first fill until a stop was confirmed, and whenever one was lost"
    if found is None:
        return Row("Without a stop", (UNKNOWN,), title)
    beside = f"median {found.median:.1f} s, at most {found.longest:.1f} s"
    return Row("Without a stop", (f"99 % within {found.p99:.1f} s",), title, beside)


def _ratio(value: float | None) -> str:
    return UNKNOWN if value is None else written(Decimal(value), 2)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{percent(value)} %"


def _share(value: float | None, places: int = 1) -> str:
    return UNKNOWN if value is None else f"{share(value, places)} %"


def _whole_share(value: float) -> str:
    return _share(value, 0)


def _change(value: Any) -> str:
    return UNKNOWN if value is None else change(Decimal(value))


def _between(sure: Interval | None, write: Any) -> str:
    return "" if sure is None else f"{write(sure.low)} to {write(sure.high)}"


def _depth(fall: Fall | None) -> str:
    return UNKNOWN if fall is None else _share(fall.depth)


def _longest(fall: Fall | None) -> str:
    return UNKNOWN if fall is None else f"{fall.longest} d"


def _dates(figures: DailyFigures) -> str:
    fall = figures.fall
    if fall is None:
        return ""
    end = "not made good yet" if fall.recovered is None else f"made good {_day(figures, fall.recovered)}"
    return f"{_day(figures, fall.peak)} to {_day(figures, fall.trough)}, {end}"


def _day(figures: DailyFigures, place: int) -> str:
    at = datetime.fromtimestamp(figures.day(place) * DAY, UTC)
    return f"{at.day} {at:%b}"


def _extremes(figures: PositionFigures) -> str:
    if figures.best is None or figures.worst is None:
        return UNKNOWN
    return f"{change(figures.best.net)}, {change(figures.worst.net)}"


def _side(side: Side | None) -> str:
    if side is None or not side.positions:
        return UNKNOWN
    return f"{side.positions}, {_share(side.win_rate, 0)} won, {_change(side.net)}"


def _held(held: Holding | None) -> str:
    return UNKNOWN if held is None else span(held.median)


def _both(figures: PositionFigures) -> str:
    if figures.held_won is None or figures.held_lost is None:
        return ""
    return f"won {span(figures.held_won.median)}, lost {span(figures.held_lost.median)}"


def _exposure(told: Record) -> str:
    return "" if told.exposure is None else f"exposure {_share(told.exposure, 0)} on average"
