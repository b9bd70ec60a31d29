"""What a bot remembers when it is asked again: closed trades, its own last words, how it has done, what it waits for.

Frozen values; who reads them from the ledger is `bots.recollection`. Amounts are in the book's currency.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from markets.domain.rounding import nearest_to

from .exit_plan import Condition


@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One position from flat to flat. `net` is after fees and funding; `reason` says why it was closed."""

    symbol: str
    long: bool
    entry: Decimal
    exit: Decimal
    net: Decimal
    opened_at: datetime
    closed_at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """One item of the bot's last answer, and what became of it."""

    symbol: str
    action: str
    outcome: str
    reason: str


WORDS = 3


def telling(said: Iterable[Said]) -> tuple[Said, ...]:
    """The few items of an answer that a bot is reminded of: what it acted on or was refused before what it held."""
    spoken = [item for item in said if item.reason]
    return tuple(sorted(spoken, key=lambda item: item.action == "hold")[:WORDS])


@dataclass(frozen=True, slots=True)
class Record:
    """All that the bot has done so far. `net` is after `fees` and `funding` (negative when paid).

    `drawdown` is a fraction of the peak; `sharpe` is a year's, of the returns between points of the equity curve.
    """

    closed: int = 0
    wins: int = 0
    net: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    funding: Decimal = Decimal(0)
    drawdown: Decimal | None = None
    sharpe: Decimal | None = None


NO_RECORD = Record()


@dataclass(frozen=True, slots=True)
class Story:
    """`closed` runs oldest to newest; `conditions` are the invalidations of open positions, by symbol."""

    closed: tuple[ClosedTrade, ...] = ()
    said: tuple[Said, ...] = ()
    said_at: datetime | None = None
    record: Record = NO_RECORD
    conditions: Mapping[str, Condition] = field(default_factory=dict)


NOTHING_YET = Story()
YEAR_MS = 365 * 86_400_000
DAY_MS = 86_400_000
FEWEST_RETURNS = 20


def sharpe(growth: Sequence[float], width_ms: int) -> Decimal | None:
    """A year's Sharpe ratio, without a risk-free rate, of a curve with a point each `width_ms` milliseconds.

    mean(r) / stdev(r) * sqrt(points in a year), to two decimals; None for a flat curve or less than a day.
    """
    returns = [after / before - 1 for before, after in pairwise(growth) if before > 0]
    enough = len(returns) >= FEWEST_RETURNS and len(returns) * width_ms >= DAY_MS
    spread = stdev(returns) if enough else 0.0
    if not spread:
        return None
    return nearest_to(Decimal(repr(fmean(returns) / spread * sqrt(YEAR_MS / width_ms))), Decimal("0.01"))


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Contracts open at the venue in units of the base currency: now, and on average."""

    latest: Decimal
    average: Decimal
