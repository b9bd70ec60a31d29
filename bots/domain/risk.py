"""What risk rules judge and answer: the candidate entry, the context it is judged in, the verdict.

All fractions are of the book's equity at the judgement. Prices are taken at the side that hurts: an entry is
judged at the worst price it may fill at, its size at the highest price it may be worth.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from ledger.domain.intents import Kind
from ledger.domain.portfolio import HeldPosition, PendingEntry, Portfolio
from markets.domain.covariance import Covariance
from markets.domain.frozen import quick
from markets.domain.instruments import InstrumentRules
from markets.domain.rounding import ONE, ZERO, nearest_to, round_cash_up
from markets.domain.snapshot import InstrumentView

from .briefing import Briefing
from .exit_plan import Condition
from .locks import Lock
from .policy import Policy
from .untrusted import PRICE_UNIT
from .wording import exact

Effect = Literal["allow", "shrink", "deny"]


class Verdict(NamedTuple):
    """What one rule says. `code` is stable; `limit` and `value` are the numbers compared, if there are any.

    A shrink carries what is still allowed: `max_quantity`, or the `leverage` to take instead. `text` is one sentence
    for people and models.
    """

    effect: Effect
    code: str
    limit: Decimal | None
    value: Decimal | None
    text: str
    max_quantity: Decimal | None = None
    leverage: int | None = None

    def as_json(self) -> dict[str, str | None]:
        """As it is stored and shown; numbers as text, at twelve decimals."""
        return {
            "code": self.code,
            "effect": self.effect,
            "limit": None if self.limit is None else exact(nearest_to(self.limit, PRICE_UNIT)),
            "value": None if self.value is None else exact(nearest_to(self.value, PRICE_UNIT)),
            "text": self.text,
        }


# What a rule says that has nothing against an entry: what writes its verdict, and from which values. Most are never
# read, and to write one takes longer than to judge.
Passed = tuple[Callable[..., Verdict], *tuple[Any, ...]]
Said = Verdict | Passed


def allowed(code: str, text: str, limit: Decimal | None = None, value: Decimal | None = None) -> Verdict:
    """The verdict of a rule that has nothing against it."""
    return Verdict("allow", code, limit, value, text)


def written(said: Said) -> Verdict:
    """What a rule said, as a verdict."""
    return said if isinstance(said, Verdict) else said[0](*said[1:])


class Prices(NamedTuple):
    """The prices an entry is judged with, all at the tick.

    `judged` is the worst price it may fill at, `value` the highest price its notional and margin are counted
    at; `low` and `high` enclose where it may fill and be marked: stop and target must lie outside of them.
    """

    judged: Decimal
    low: Decimal
    high: Decimal
    value: Decimal


def prices(view: InstrumentView, long: bool, slippage: Decimal, limit: Decimal | None = None) -> Prices:
    """Prices of a market entry (executable side, worsened by `slippage`) or of a limit entry (its limit)."""
    quote = view.quote
    if limit is not None and (limit < quote.ask if long else limit > quote.bid):
        # It fills where the market is then; sized by today's mark too, it fits wherever that is until there.
        return Prices(limit, limit, limit, max(limit, quote.mark))
    judged = limit if limit is not None else worst_fill(view, long, slippage)
    if long:
        high = max(judged, quote.mark)
        return Prices(judged, min(judged, quote.bid, quote.mark), high, high)
    # A sale that fills better than judged is worth more, so its size is counted at the high side.
    high = max(judged, quote.ask, quote.mark)
    return Prices(judged, min(judged, quote.mark), high, max(high, worst_fill(view, True, slippage)))


def worst_fill(view: InstrumentView, long: bool, slippage: Decimal) -> Decimal:
    """The worst price that buying (selling) at the market may fill at: the executable side, worsened by `slippage`."""
    rules, quote = view.rules, view.quote
    return rules.price_up(quote.ask * (ONE + slippage)) if long else rules.price_down(quote.bid * (ONE - slippage))


@quick
@dataclass(frozen=True, slots=True)
class Candidate:
    """One entry (open or add) as the rules see it; the quantity is what is left after the rules before."""

    view: InstrumentView
    kind: Kind
    long: bool
    quantity: Decimal
    prices: Prices
    stop: Decimal | None
    target: Decimal | None
    leverage: int
    conviction: Decimal
    limit: Decimal | None = None
    trail: Decimal | None = None
    invalidation: Condition | None = None

    def changed(self, *, quantity: Decimal | None = None, leverage: int | None = None) -> "Candidate":
        """The same with another quantity or leverage; None: as it is."""
        quantity = self.quantity if quantity is None else quantity
        leverage = self.leverage if leverage is None else leverage
        if quantity is self.quantity and leverage == self.leverage:
            return self
        return Candidate(
            self.view, self.kind, self.long, quantity, self.prices, self.stop, self.target, leverage,
            self.conviction, self.limit, self.trail, self.invalidation,
        )  # fmt: skip

    @property
    def symbol(self) -> str:
        return self.view.rules.symbol

    @property
    def rules(self) -> InstrumentRules:
        return self.view.rules

    @property
    def price(self) -> Decimal:
        """The judged price."""
        return self.prices.judged

    @property
    def notional(self) -> Decimal:
        """What the entry is worth at most, not rounded."""
        return self.quantity * self.prices.value

    @property
    def unit_reserve(self) -> Decimal:
        """Initial margin and taker fee of one unit."""
        value = self.prices.value
        return value / self.leverage + value * self.view.rules.taker_fee

    @property
    def reserved(self) -> Decimal:
        """Initial margin and taker fee of the whole entry, rounded up to the cash unit."""
        return round_cash_up(self.quantity * self.unit_reserve)


@quick
@dataclass(frozen=True, slots=True)
class Context:
    """What an entry is judged against. `portfolio` already holds the entries accepted before in its plan."""

    policy: Policy
    portfolio: Portfolio
    state: str = "active"
    account_exposure: Decimal | None = None
    account_equity: Decimal | None = None
    account_max_exposure: Decimal | None = None
    safe_mode: bool = False
    locks: tuple[Lock, ...] = ()
    user_exposure: Decimal | None = None
    user_equity: Decimal | None = None
    user_max_exposure: Decimal | None = None
    covariance: Covariance | None = None
    equity: Decimal = field(init=False)
    longs: Decimal = field(init=False)
    shorts: Decimal = field(init=False)
    exposure: Decimal = field(init=False)
    margin: Decimal = field(init=False)
    reserved: Decimal = field(init=False)
    available: Decimal = field(init=False)
    positions: Mapping[str, HeldPosition] = field(init=False)
    occupied: Set[str] = field(init=False)

    def __post_init__(self) -> None:
        # Nearly every rule asks for these, and none changes them.
        portfolio, keep = self.portfolio, object.__setattr__
        positions = {held.symbol: held for held in portfolio.positions}
        occupied: Set[str] = positions.keys()
        if portfolio.pending:
            occupied = occupied | {entry.symbol for entry in portfolio.pending}
        margin, reserved = portfolio.margin, portfolio.reserved
        keep(self, "equity", portfolio.equity)
        longs = shorts = ZERO
        for part in portfolio.parts:
            if part.long:
                longs += part.notional
            else:
                shorts += part.notional
        keep(self, "longs", longs)
        keep(self, "shorts", shorts)
        keep(self, "exposure", longs + shorts)
        keep(self, "margin", margin)
        keep(self, "reserved", reserved)
        keep(self, "available", portfolio.cash - margin - reserved)
        keep(self, "positions", positions)
        keep(self, "occupied", occupied)

    @classmethod
    def of(cls, briefing: Briefing) -> "Context":
        return cls(
            briefing.policy,
            briefing.portfolio,
            briefing.state,
            briefing.account_exposure,
            briefing.account_equity,
            briefing.account_max_exposure,
            briefing.safe_mode,
            briefing.locks,
            briefing.user_exposure,
            briefing.user_equity,
            briefing.user_max_exposure,
            briefing.covariance,
        )

    def held(self, candidate: Candidate) -> HeldPosition | None:
        return self.positions.get(candidate.view.rules.symbol)

    def after(self, candidate: Candidate) -> "Context":
        """The context once `candidate` is accepted: its exposure, its reservation and its place are taken."""
        entry = PendingEntry(
            candidate.symbol, candidate.long, candidate.quantity, candidate.prices.value, candidate.reserved
        )
        taken = None if self.account_exposure is None else self.account_exposure + entry.notional
        whole = None if self.user_exposure is None else self.user_exposure + entry.notional
        return replace(self, portfolio=self.portfolio.with_entry(entry), account_exposure=taken, user_exposure=whole)


def exit_price(stop: Decimal, long: bool, slippage: Decimal) -> Decimal:
    """What a stop is expected to fill at when it slips by `slippage`."""
    return stop * (ONE - slippage) if long else stop * (ONE + slippage)


def unit_loss(price: Decimal, stop: Decimal, long: bool, slippage: Decimal, fee: Decimal) -> Decimal:
    """What one unit bought (sold) at `price` loses at its stop: distance, slippage of the stop, both fees."""
    end = exit_price(stop, long, slippage)
    return (price - end if long else end - price) + fee * (price + end)


def held_loss(held: HeldPosition, stop: Decimal, slippage: Decimal, fee: Decimal) -> Decimal:
    """What a position as it is now would lose at `stop`: from the worse of entry and mark, fees counted.

    From the entry alone, an open profit would be free to be lost; from the mark alone, a loss already
    suffered would be forgotten. Neither makes room.
    """
    size, end = abs(held.quantity), exit_price(stop, held.long, slippage)
    marked = size * held.mark
    distance = max(held.cost, marked) - size * end if held.long else size * end - min(held.cost, marked)
    return max(distance, ZERO) + held.fees + fee * size * end
