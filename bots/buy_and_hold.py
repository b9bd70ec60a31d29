"""What the same money would be worth had it only been laid into the bot's instruments: the measure beside its figures.

Equal parts at the first moment of the book, one taker fee, never touched again. No stop, no funding, no leverage.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ledger.domain.statistics import Daily, DailyFigures, daily_figures
from ledger.domain.statistics.positions import DAY
from ledger.models import EquityPoint
from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.feeds import clock
from markets.models import Candle, Instrument

from .models import Bot

Prices = Mapping[tuple[int, int], tuple[float, float]]  # open and close by instrument and open time


def held_instead(bot: Bot, now: datetime | None = None) -> DailyFigures:
    """The daily figures of holding the bot's instruments from its first equity point until `now`. Three statements.

    An instrument without a candle at the beginning is left out.
    """
    assert bot.book.account is not None
    first = EquityPoint.objects.filter(book=bot.book).order_by("at").values_list("at", flat=True).first()
    if first is None:
        return DailyFigures()
    until = now or clock.now(bot.book.account.feed)
    instruments, step = list(bot.instruments.all()), TIMEFRAMES[bot.timeframes[0]]
    moments = _moments(milliseconds(first), milliseconds(until), step)
    return daily_figures(_basket(instruments, moments, _prices(instruments, bot.timeframes[0], moments)))


def _moments(first: int, until: int, step: int) -> list[int]:
    """Open times (UTC ms): of the candle that began at the first moment, then of the last one of each day."""
    day = DAY * 1000
    ends = range((first // day + 1) * day, until, day)
    return [first // step * step, *(end - step for end in ends), until // step * step - step]


def _prices(instruments: Sequence[Instrument], timeframe: str, moments: Sequence[int]) -> Prices:
    rows = Candle.objects.filter(
        instrument__in=[instrument.pk for instrument in instruments], timeframe=timeframe, open_time__in=moments
    )
    return {(pk, at): (opened, closed) for pk, at, opened, closed in rows.values_list(
        "instrument", "open_time", "open", "close"
    )}  # fmt: skip


def _basket(instruments: Sequence[Instrument], moments: Sequence[int], prices: Prices) -> Daily | None:
    """One unit in equal parts; None where nothing had a price at the beginning."""
    parts = [_part(instrument, moments, prices) for instrument in instruments if (instrument.pk, moments[0]) in prices]
    if not parts:
        return None
    # Paid in on the first day, so that its eve is worth nothing.
    values = np.concatenate([[0.0], np.mean(parts, axis=0)[1:]])
    flows = np.zeros(len(values))
    flows[1:2] = 1.0
    return Daily(moments[0] // (DAY * 1000) - 1, values, flows)


def _part(instrument: Instrument, moments: Sequence[int], prices: Prices) -> NDArray[np.float64]:
    """One unit before the fee, then its worth at each moment; without a price it is worth what it was before."""
    bought, _ = prices[instrument.pk, moments[0]]
    worth, paid = [1.0], 1 - float(instrument.rules.taker_fee)
    for moment in moments[1:]:
        found = prices.get((instrument.pk, moment))
        worth.append(worth[-1] if found is None else paid * found[1] / bought)
    return np.array(worth)
