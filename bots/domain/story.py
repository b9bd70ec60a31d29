"""What a bot remembers when it is asked again: closed trades, its own last words, how it has done, what it waits for.

Frozen values; who reads them from the ledger is `bots.recollection`. Amounts are in the book's currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

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


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Contracts open at the venue in units of the base currency: now, and on average."""

    latest: Decimal
    average: Decimal
