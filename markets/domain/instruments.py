"""What may be traded and in which steps: ticks, lots, minimums, fees, leverage tiers.

Linear perpetuals and spot; inverse contracts are refused by whoever loads rules. Quantities are always in
units of the base currency: adapters convert contracts before they call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from .rounding import ceil_to, floor_to, nearest_to, toward_zero


@dataclass(frozen=True, slots=True)
class MarginTier:
    """One step of a venue's leverage table. `floor` is the notional at which it begins.

    Maintenance margin = notional * `maintenance_rate` - `maintenance_amount` (Binance's form of the table).
    """

    floor: Decimal
    maintenance_rate: Decimal
    maintenance_amount: Decimal
    max_leverage: int


@dataclass(frozen=True, slots=True)
class InstrumentRules:
    """The rules of one instrument. Fees, spread and funding rates are fractions (0.0005 = 0.05 %).

    `half_spread` is half of the bid-ask spread as a fraction of the price and `impact` the coefficient of the
    square-root impact law used where no order book is known. `assumed` marks inferred rules. `closing` says in words
    why no new exposure may be opened; empty while the exchange trades it.
    """

    symbol: str
    base: str
    quote: str
    settle: str
    kind: str
    tick: Decimal
    step: Decimal
    min_quantity: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    tiers: tuple[MarginTier, ...]
    max_quantity: Decimal | None = None
    half_spread: Decimal = Decimal("0.0001")
    impact: Decimal = Decimal("0.01")
    funding_hours: int = 8
    assumed: bool = False
    closing: str = ""

    @property
    def max_leverage(self) -> int:
        return max((tier.max_leverage for tier in self.tiers), default=1)

    def tier(self, notional: Decimal) -> MarginTier:
        """The leverage tier that holds for a position of `notional` in the settle currency."""
        return next((t for t in reversed(self.tiers) if notional >= t.floor), self.tiers[0])

    def price_down(self, price: Decimal) -> Decimal:
        return floor_to(price, self.tick)

    def price_up(self, price: Decimal) -> Decimal:
        return ceil_to(price, self.tick)

    def price(self, price: Decimal | float) -> Decimal:
        """`price` at the nearest tick: the door through which a float candle price becomes money."""
        return nearest_to(Decimal(repr(float(price))) if isinstance(price, float) else price, self.tick)

    def quantity(self, quantity: Decimal) -> Decimal:
        """`quantity` cut to the step, toward zero."""
        return toward_zero(quantity, self.step)

    def next_settlement(self, at: datetime) -> datetime | None:
        """The next full multiple of the funding interval after `at`, counted from midnight UTC; None without one."""
        if self.kind != "perpetual" or not self.funding_hours:
            return None
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        interval = timedelta(hours=self.funding_hours)
        return midnight + ((at - midnight) // interval + 1) * interval
