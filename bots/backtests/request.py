"""What somebody asks of a backtest, in words: the same for command, page and API, and what a stored one is run from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bots.domain.untrusted import Unfit, number

from . import options
from .options import Asked, Unclear

MOST_CASH = Decimal("1e12")
MOST_SYMBOLS = 50
MOST_SETTINGS = 100


@dataclass(frozen=True, slots=True)
class Request:
    """`settings` are `key=value`; `start` and `end` are days or times, None for all that is stored.

    With `check`, look-ahead and warm-up are looked for too, which takes several runs.
    """

    decider: str
    exchange: str
    symbols: tuple[str, ...]
    timeframe: str
    start: str | None = None
    end: str | None = None
    cash: str = "10000"
    settings: tuple[str, ...] = ()
    check: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"symbols": list(self.symbols), "settings": list(self.settings)}

    @classmethod
    def of_json(cls, raw: Mapping[str, Any]) -> "Request":
        """What `as_json` gave."""
        return cls(**dict(raw) | {"symbols": tuple(raw["symbols"]), "settings": tuple(raw["settings"])})


@dataclass(frozen=True, slots=True)
class Read:
    """A request, read: nothing of it has been looked up yet."""

    asked: Asked
    symbols: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    cash: Decimal


def read(request: Request) -> Read:
    """Raises Unclear with the sentence to show."""
    if len(request.settings) > MOST_SETTINGS:
        raise Unclear(f"There are more than {MOST_SETTINGS} settings.")
    asked = options.read(request.decider, request.timeframe, request.settings)
    if request.check and isinstance(asked.decider, options.Unmade):
        raise Unclear("Answers of a model or a record are not checked for look-ahead: they are asked for only once.")
    symbols = options.symbols(request.symbols)
    if len(symbols) > MOST_SYMBOLS:
        raise Unclear(f"At most {MOST_SYMBOLS} instruments can be traded at once.")
    start = options.moment(request.start) if request.start else None
    end = options.moment(request.end) if request.end else None
    if start is not None and end is not None and end <= start:
        raise Unclear(f"It would end ({request.end}) before it begins ({request.start}): put the earlier day first.")
    return Read(asked, symbols, start, end, _cash(request.cash))


def _cash(words: str) -> Decimal:
    try:
        cash = number(words, "cash")
    except Unfit as problem:
        raise Unclear(str(problem)) from None
    if not 0 < cash <= MOST_CASH:
        raise Unclear(f"cash must be above 0 and at most {MOST_CASH:,.0f}, not {words}.")
    return cash


def words(settings: Sequence[str]) -> tuple[str, ...]:
    """Settings written in lines or apart by commas, as a form has them."""
    return tuple(word.strip() for one in settings for line in one.splitlines() for word in _apart(line) if word.strip())


def _apart(line: str) -> list[str]:
    # A comma parts settings only before a new key: timeframes=1m,5m is one.
    found: list[str] = []
    for part in line.split(","):
        if "=" in part or not found:
            found.append(part)
        else:
            found[-1] += f",{part}"
    return found
