"""The covariance of instruments at a moment, read from the stored candles once an hour and shared by all bots."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime

from . import history
from .domain.candles import TIMEFRAMES, milliseconds
from .domain.covariance import DAYS, TIMEFRAME, Covariance, covariance
from .models import Instrument

_STEP, _CAPACITY = TIMEFRAMES[TIMEFRAME], 64
_kept: OrderedDict[tuple[tuple[int, ...], int], Covariance | None] = OrderedDict()
_lock = threading.Lock()


def of(instruments: Iterable[Instrument], now: datetime) -> Covariance | None:
    """Of the last 30 days of hourly candles closed at `now`. One statement, or none where this hour was read here."""
    chosen = sorted(instruments, key=lambda instrument: instrument.pk)
    last = milliseconds(now) // _STEP * _STEP - _STEP
    key = (tuple(instrument.pk for instrument in chosen), last)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    found = history.read(chosen, TIMEFRAME, last - DAYS * TIMEFRAMES["1d"], last)
    made = covariance({instrument.symbol: found[instrument.pk] for instrument in chosen})
    with _lock:
        _kept[key] = made
        while len(_kept) > _CAPACITY:
            _kept.popitem(last=False)
    return made


def forget() -> None:
    """Drop what this process has read: for tests."""
    with _lock:
        _kept.clear()
