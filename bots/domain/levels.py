"""Where a stop or a target may stand: so many ATR away, a share of the price away, or beyond the last swing.

Distances are for `sizing.stop_at` and `sizing.target_at`; levels come at the tick, rounded toward the price, so that
neither adds risk nor promises more.
"""

from decimal import Decimal

from markets.domain.snapshot import InstrumentView

from .sizing import stop_snapped


def atr_away(view: InstrumentView, timeframe: str, multiple: Decimal) -> Decimal | None:
    """So many average true ranges (of 14 candles), as a distance in price; None before the warm-up."""
    atr = view.indicator(timeframe, "atr_14")
    return None if atr is None else multiple * Decimal(repr(atr))


def percent_away(price: Decimal, fraction: Decimal) -> Decimal:
    """A share of the price, as a distance in price: 0.02 of 100 is 2."""
    return price * fraction


def swing_stop(
    view: InstrumentView, timeframe: str, candles: int, long: bool, room: Decimal = Decimal(0)
) -> Decimal | None:
    """Beyond the lowest low (of a long), the highest high (of a short) of the last closed candles.

    `room` is a share of the price by which it stands beyond; None where no candle has closed.
    """
    recent = view.candles(timeframe, candles)
    if not len(recent):
        return None
    edge = Decimal(repr(float(recent.low.min() if long else recent.high.max())))
    return stop_snapped(edge * (1 - room if long else 1 + room), long, view.rules)
