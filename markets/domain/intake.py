"""What is let in of prices that come from outside: finite, positive, in order, not of the future, and no lone jump.

Each refusal has a stable code: not_a_number, not_positive, too_large, crossed, future, stale,
jump. Pure: the time is an argument.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from .instruments import InstrumentRules
from .rounding import round_cash
from .snapshot import QuoteView

AHEAD = timedelta(seconds=5)  # how far an exchange's clock may run before ours
OLDEST = timedelta(minutes=1)  # beyond it a price is history
JUMP = Decimal("0.1")  # what a price may move at once without another one that confirms it
CONFIRMS = Decimal("0.02")  # how near the next one must be to confirm a jump
BORNE_OUT = timedelta(seconds=1)  # and how much later: an exchange tells one wrong moment in several messages
QUIET = timedelta(minutes=10)  # after so long any price is new: the market may have been anywhere
FIGURES = ("last", "bid", "ask", "mark", "funding_rate", "day_open", "liquidity")
BOOK = ("last", "bid", "ask")
DECIMALS, NOISE = -18, Decimal("1e-18")
_STORED = Context(prec=38)
MOST = Decimal("1e15")  # more is no price and no turnover of anything
MAY_BE_NEGATIVE = frozenset({"funding_rate"})


@dataclass(frozen=True, slots=True)
class Tick:
    """What one message told of an instrument; None is not told. `at` is the exchange's own time of it."""

    symbol: str
    at: datetime
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_at: datetime | None = None
    day_open: Decimal | None = None
    liquidity: Decimal | None = None

    @property
    def priced(self) -> bool:
        return any(value is not None for value in (self.last, self.bid, self.ask))

    def over(self, older: "Tick") -> "Tick":
        """Both as one: what this one does not tell stays as it was told before."""
        told = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}
        return replace(older, **told)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message was not let in: a stable code, and what it said."""

    code: str
    text: str


def figure(value: Any) -> Decimal | None:
    """A number of a message; None where it tells none. NaN and the like come through and are refused by `problem`."""
    if value is None or value == "":
        return None
    try:
        number = Decimal(str(value))
        exponent = number.as_tuple().exponent
        # ccxt reads numbers as floats: what is beyond the digits that are stored is their noise.
        return number.quantize(NOISE, context=_STORED) if isinstance(exponent, int) and exponent < DECIMALS else number
    except InvalidOperation:
        return Decimal("NaN")


def problem(tick: Tick, known: QuoteView | None, now: datetime) -> Refusal | None:
    """The first reason to refuse a message at wall time `now`, jumps aside; None where it is sound."""
    for name in FIGURES:
        value = getattr(tick, name)
        if value is None:
            continue
        if not value.is_finite():
            return Refusal("not_a_number", f"{name} is {value}")
        if value <= 0 and name not in MAY_BE_NEGATIVE and not (name == "liquidity" and value == 0):
            return Refusal("not_positive", f"{name} is {value}")
        if value.copy_abs() > MOST:
            return Refusal("too_large", f"{name} is {value:.6g}")
    if tick.bid is not None and tick.ask is not None and tick.bid > tick.ask:
        return Refusal("crossed", f"bid {tick.bid} is above ask {tick.ask}")
    if tick.at > now + AHEAD:
        return Refusal("future", f"{(tick.at - now).total_seconds():.0f} s ahead of us")
    if tick.priced and (tick.at < now - OLDEST or (known is not None and tick.at < known.at)):
        return Refusal("stale", f"{(now - tick.at).total_seconds():.0f} s old")
    return None


def jump(tick: Tick, view: QuoteView, known: QuoteView | None, at: datetime) -> Decimal | None:
    """The price that a message would move so far from the known one that another has to confirm it; None: none.

    Its quote is looked at: a book alone moves the last price, too. A mark counts where it was told.
    """
    if known is None or at - known.at > QUIET:
        return None
    names = (*(BOOK if tick.priced else ()), *(("mark",) if tick.mark is not None else ()))
    moves = [(abs(getattr(view, name) / getattr(known, name) - 1), getattr(view, name)) for name in names]
    size, price = max(moves, default=(Decimal(0), None))
    return price if size > JUMP else None


def confirms(price: Decimal, before: Decimal) -> bool:
    """Whether a price bears out the jump to `before`."""
    return abs(price - before) <= before * CONFIRMS


def quoted(tick: Tick, known: QuoteView | None, rules: InstrumentRules, now: datetime) -> QuoteView | None:
    """The quote after a sound message; None while no price is known. A clock ahead of ours is cut to `now`.

    The last price follows the book: a trade of before does not stand outside of bid and ask.
    """
    last = tick.last if tick.last is not None else known.last if known else None
    bid, ask = tick.bid, tick.ask
    if bid is None or ask is None:
        moved = tick.last is not None or known is None
        bid = bid if bid is not None else None if moved or known is None else known.bid
        ask = ask if ask is not None else None if moved or known is None else known.ask
    if last is None and bid is not None and ask is not None:
        last = (bid + ask) / 2
    if last is None:
        return None
    if bid is None or ask is None or not bid <= ask:
        around = QuoteView.around(rules, rules.price(last), now, Decimal(0), None, None)
        bid, ask = around.bid, around.ask
    last = min(max(last, bid), ask)
    mark = tick.mark if tick.mark is not None else known.mark if known and not tick.priced else None
    return QuoteView(
        last=rules.price(last),
        bid=rules.price_down(bid),
        ask=rules.price_up(ask),
        mark=rules.price(mark if mark is not None else _mark(known, last)),
        at=min(tick.at, now) if tick.priced or known is None else known.at,
        liquidity=round_cash(_or(tick.liquidity, known.liquidity if known else Decimal(0))),
        funding_rate=_or(tick.funding_rate, known.funding_rate if known else None),
        next_funding_at=_or(tick.next_funding_at, known.next_funding_at if known else None),
    )


def unfit(view: QuoteView) -> Refusal | None:
    """A price that is nothing at the tick of the instrument is none."""
    for name in (*BOOK, "mark"):
        if (value := getattr(view, name)) <= 0:
            return Refusal("not_positive", f"{name} is {value} at the tick")
    return None


def _mark(known: QuoteView | None, last: Decimal) -> Decimal:
    """A mark that is told apart stays until it is told anew, unless the price has left it far behind."""
    if known is None or abs(known.mark - last) > last * CONFIRMS:
        return last
    return known.mark


def _or(told: Any, before: Any) -> Any:
    return before if told is None else told


def newest(ticks: Mapping[str, Tick], tick: Tick) -> Tick:
    """What is known of an instrument once this message has come on top of those that wait."""
    waiting = ticks.get(tick.symbol)
    return tick if waiting is None else tick.over(waiting)
