"""What a feed that advances in lock-step tells the market step, for one instant after the other.

A feed knows prices and the time. It takes no order, writes nothing, and its answers for an instant never change.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from markets.domain.venue_state import Bar
from markets.models import Instrument

Prices = Mapping[int, Decimal]


class LockStepFeed(Protocol):
    """Mappings are keyed by instrument id; an instrument that has nothing at an instant is left out.

    `generates` says whether its candles exist only once they have been told, and so have to be stored.
    """

    timeframe: str
    generates: bool
    instruments: Sequence[Instrument]

    def bars(self, at: datetime, opens: Prices) -> Mapping[int, Bar]:
        """The candles [at, at + step). `opens` are the prices that were quoted at `at`."""

    def opens(self, at: datetime, closes: Prices) -> Prices:
        """The first prices at `at`. `closes` are those of the candles that have just ended."""

    def funding(self, at: datetime) -> Prices:
        """The funding rates due in the step that ends at `at`, as fractions."""

    def next_funding(self, instrument: Instrument, at: datetime) -> datetime | None:
        """When funding is next settled after `at`; None where the instrument has none."""

    def ended(self, at: datetime) -> bool:
        """Whether there is nothing to tell from `at` on."""


def next_settlement(instrument: Instrument, at: datetime) -> datetime | None:
    """The next full multiple of the instrument's funding interval after `at`, counted from midnight UTC."""
    return instrument.rules.next_settlement(at)
