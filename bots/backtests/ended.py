"""Instruments whose candles end before the backtest does, as those of one that was delisted. Pure.

Nothing can be traded there any more, so what was still held is closed at the last close, with a taker's fee, and told.
Until the end of the run its margin stays bound, as the engine walked it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from ledger.domain.positions import after_fill
from markets.domain.candles import instant
from markets.domain.orders import Fill, Side
from markets.domain.rounding import ZERO
from markets.domain.venue_state import charge

from .engine import Result
from .market import Course, Market
from .protections import Holdings
from .records import Position, Trade

REASON = "candles ended"
# A last candle that is missing ends nothing.
LEAST = timedelta(hours=1)
LEAST_CANDLES = 12


@dataclass(frozen=True, slots=True)
class Ending:
    """Where the candles of an instrument end: the moment, its instant, and the last close."""

    symbol: str
    at: datetime
    number: int
    close: Decimal


def endings(market: Market) -> list[Ending]:
    """The instruments that have no candle in the last hour, and none of the last twelve, of the period."""
    found = [_ending(course, market) for course in market.courses.values()]
    return [one for one in found if one is not None]


def _ending(course: Course, market: Market) -> Ending | None:
    times = course.candles.time
    last = int(times.searchsorted(market.end)) - 1
    if last < 0:
        return None
    end = int(times[last]) + market.step
    if market.end - end < max(LEAST // timedelta(milliseconds=1), LEAST_CANDLES * market.step):
        return None
    close = course.rules.price(float(course.candles.close[last]))
    return Ending(course.symbol, instant(end), (end - market.start) // market.step, close)


def settled(result: Result) -> Result:
    """The result with what was held there closed at the last close."""
    for ending in endings(result.market):
        for position in [one for one in result.open if one.symbol == ending.symbol]:
            result = _closed(result, position, ending)
    return result


def told(result: Result) -> list[str]:
    """A sentence for each instrument whose candles end."""
    closed = {one.symbol for one in result.closed if one.exit_reason == REASON}
    what = "; what was held was closed at the last close"
    return [
        f"The candles of {one.symbol} end at {one.at:%Y-%m-%d %H:%M} UTC{what if one.symbol in closed else ''}."
        for one in endings(result.market)
    ]


def _closed(result: Result, position: Position, ending: Ending) -> Result:
    f, rules = position.figures, position.rules
    side = Side.SELL if f.quantity > 0 else Side.BUY
    size = abs(f.quantity)
    fee = charge(size * ending.close, rules.taker_fee)
    fill = Fill(
        f"ended-{position.id}",
        None,
        position.symbol,
        side,
        size,
        ending.close,
        fee,
        rules.settle,
        False,
        ZERO,
        ending.at,
    )
    figures, _ = after_fill(f, fill, position.leverage)
    gone = replace(position, figures=figures, closed_at=ending.at, exit_reason=REASON)
    gained = figures.realised - f.realised - fee
    quote = result.market.courses[position.symbol].quote(result.market.instants)
    assert quote is not None, "What is held had a price."
    unrealised = position.held(quote.mark).unrealised
    return replace(
        result,
        cash=result.cash + gained,
        equity=result.equity - unrealised + gained,
        fees=result.fees + fee,
        trades=[*result.trades, Trade(fill, None)],
        closed=[*result.closed, gone],
        open=[one for one in result.open if one is not position],
        path=_path(result.path, ending, gained),
    )


def _path(path: Sequence[Holdings], ending: Ending, gained: Decimal) -> list[Holdings]:
    """What the book held, without this instrument from its end on."""
    before = [step for step in path if step.number < ending.number]
    after = [step for step in path if step.number >= ending.number]
    if before and (not after or after[0].number > ending.number):
        after.insert(0, before[-1]._replace(number=ending.number))
    kept = [
        step._replace(
            cash=step.cash + gained, positions=tuple(row for row in step.positions if row[0] != ending.symbol)
        )
        for step in after
    ]
    return [*before, *kept]
