"""Stored candles and funding rates as the market of a backtest. Reads the database once, writes nothing.

What cannot be had is said in one sentence (`NotThere`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches

import numpy as np
from django.db.models import Count

from markets import history
from markets.domain.candles import TIMEFRAMES, Candles, instant, milliseconds, resample
from markets.domain.covariance import DAYS, TIMEFRAME
from markets.domain.instruments import InstrumentRules
from markets.domain.windows import BLOCK, WARM
from markets.models import Candle, FundingRate, Instrument

from .market import Listed, Market

# So many candles are read at once: as rows of the driver they take ten times the room that they take in the end.
_AT_ONCE = 20_000
# A finer timeframe is walked only where so much of the period is stored in it.
_COVERED = 0.99


class NotThere(ValueError):
    """The candles cannot be had as asked; the message is the sentence to show."""


def load(
    *,
    exchange: str,
    symbols: Sequence[str],
    timeframes: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    base: str | None = None,
    costs: Callable[[InstrumentRules], InstrumentRules] = lambda rules: rules,
) -> Market:
    """The market of these symbols from `start` to `end`, by default all that is stored in the first of `timeframes`.

    It is walked in candles of `base`: by default the finest timeframe that is stored for the whole period. Candles
    before the start are read as far as indicators need them. `costs` may change what trading costs. Raises NotThere.
    """
    instruments, base, first, last = look_over(
        exchange=exchange, symbols=symbols, timeframes=timeframes, start=start, end=end, base=base
    )
    listed = [_listed(one, costs(one.rules), timeframes, base, first, last) for one in instruments]
    for one in listed:
        if not len(one.candles):
            raise NotThere(f"No candles of {one.rules.symbol} in {base} are stored in that period.")
    return Market(base, first, last, listed)


def look_over(
    *,
    exchange: str,
    symbols: Sequence[str],
    timeframes: Sequence[str],
    start: datetime | None = None,
    end: datetime | None = None,
    base: str | None = None,
) -> tuple[list[Instrument], str, int, int]:
    """The instruments, the timeframe to walk, and the period (UTC ms) that `load` would read. Raises NotThere."""
    instruments = chosen(exchange, symbols)
    source = _source(instruments, timeframes[0], start, end)
    first, last = _period(instruments, source, start, end)
    base = base or _finest(instruments, source, first, last)
    step = TIMEFRAMES[base]
    first, last = -(-first // step) * step, last // step * step
    if last <= first:
        raise NotThere("There is no whole candle in that period: make it longer.")
    return instruments, base, first, last


def chosen(exchange: str, symbols: Sequence[str]) -> list[Instrument]:
    """The instruments of these symbols, in the order in which they were listed. Raises NotThere."""
    listed = {instrument.symbol: instrument for instrument in Instrument.objects.filter(exchange=exchange)}
    if not listed:
        known = sorted(set(Instrument.objects.values_list("exchange", flat=True)))
        there = f"there are {', '.join(known)}" if known else "import some with import_candles"
        raise NotThere(f"No candles of an exchange «{exchange}» are stored; {there}.")
    for symbol in symbols:
        if symbol not in listed:
            near = get_close_matches(symbol, list(listed), n=3, cutoff=0.3) or sorted(listed)[:5]
            raise NotThere(f"{exchange} has no instrument «{symbol}» here. Did you mean {', '.join(near)}?")
    found = [listed[symbol] for symbol in dict.fromkeys(symbols)]
    for instrument in found:
        if instrument.kind != "perpetual":
            raise NotThere(f"Only linear perpetuals trade here, and {instrument.symbol} is {instrument.kind}.")
    currencies = sorted({instrument.settle for instrument in found})
    if len(currencies) > 1:
        raise NotThere(f"One book has one currency, and these instruments settle in {' and '.join(currencies)}.")
    return sorted(found, key=lambda instrument: instrument.pk)


def _source(instruments: Sequence[Instrument], timeframe: str, start: datetime | None, end: datetime | None) -> str:
    """The timeframe itself where it is stored in the period, else the coarsest stored one that it can be built from."""
    stored = Candle.objects.filter(instrument__in=[instrument.pk for instrument in instruments])
    there = [name for name in TIMEFRAMES if stored.filter(timeframe=name).exists()]
    fitting = [name for name in there if TIMEFRAMES[timeframe] % TIMEFRAMES[name] == 0]
    if not fitting:
        names = ", ".join(instrument.symbol for instrument in instruments)
        hint = f"stored are {', '.join(there)}" if there else "import some with import_candles"
        raise NotThere(f"No candles of {names} are stored that {timeframe} could be traded with; {hint}.")
    asked = stored.between(milliseconds(start) if start else None, milliseconds(end) - 1 if end else None)
    within = [name for name in fitting if asked.filter(timeframe=name).exists()]
    return (within or fitting)[-1]


def _period(
    instruments: Sequence[Instrument], timeframe: str, start: datetime | None, end: datetime | None
) -> tuple[int, int]:
    first, last = _stored(instruments, timeframe)
    asked = (milliseconds(start) if start else first), (milliseconds(end) if end else last)
    if asked[0] >= last or asked[1] <= first:
        raise NotThere(f"Candles in {timeframe} are stored from {instant(first):%Y-%m-%d} to {instant(last):%Y-%m-%d}.")
    return max(asked[0], first), min(asked[1], last)


def _stored(instruments: Sequence[Instrument], timeframe: str) -> tuple[int, int]:
    """When the first of their candles opens and the last one closes (UTC ms)."""
    # One end at a time is found by the key; both at once, or of several instruments, would read every row.
    each = [Candle.objects.of(instrument, timeframe).values_list("open_time", flat=True) for instrument in instruments]
    opens = [time for one in each for time in (one.order_by("open_time").first(), one.order_by("-open_time").first())]
    known = [time for time in opens if time is not None]
    return min(known), max(known) + TIMEFRAMES[timeframe]


def _finest(instruments: Sequence[Instrument], source: str, first: int, last: int) -> str:
    """The finest timeframe that divides `source` and is stored for the whole period."""
    keys = [instrument.pk for instrument in instruments]
    stored = Candle.objects.filter(instrument__in=keys, open_time__gte=first, open_time__lt=last)
    for name, step in TIMEFRAMES.items():
        if name == source:
            break
        if TIMEFRAMES[source] % step or not stored.filter(timeframe=name).exists():
            continue
        counts = dict(stored.filter(timeframe=name).values_list("instrument").annotate(Count("open_time")))
        if all(counts.get(key, 0) >= _COVERED * ((last - first) // step) for key in keys):
            return name
    return source


def _listed(
    instrument: Instrument, rules: InstrumentRules, timeframes: Sequence[str], base: str, first: int, last: int
) -> Listed:
    candles = _read(instrument, base, _before(base, first), last)
    series = {base: candles}
    for name in timeframes:
        if name not in series:
            series[name] = _coarser(instrument, name, candles, base, _before(name, first), last)
    hourly = _coarser(instrument, TIMEFRAME, candles, base, first - (DAYS + 1) * TIMEFRAMES["1d"], last)
    rates = FundingRate.objects.filter(
        instrument=instrument, at__gt=instant(first - TIMEFRAMES["1d"]), at__lte=instant(last)
    )
    funding = [(milliseconds(at), rate) for at, rate in rates.order_by("at").values_list("at", "rate")]
    return Listed(rules, candles, {name: series[name] for name in timeframes}, funding, hourly)


def _read(instrument: Instrument, timeframe: str, since: int, until: int) -> Candles:
    """The stored candles that open from `since` to before `until` (UTC ms), part by part into one set of arrays."""
    step, count = TIMEFRAMES[timeframe], 0
    room = max(-(-(until - since) // step), 0)
    found = Candles(np.empty(room, np.int64), *(np.empty(room) for _ in range(5)))
    for first in range(since, until, _AT_ONCE * step):
        part = history.load(instrument, timeframe, first, min(first + _AT_ONCE * step, until) - 1)
        for column, values in zip(found.columns(), part.columns(), strict=True):
            column[count : count + len(part)] = values
        count += len(part)
    return found[:count]


def _coarser(instrument: Instrument, timeframe: str, finer: Candles, base: str, since: int, last: int) -> Candles:
    """The stored candles of a coarser timeframe from `since` on, and between them those that the finer ones make."""
    stored = _read(instrument, timeframe, since, last - TIMEFRAMES[timeframe] + 1)
    if TIMEFRAMES[timeframe] % TIMEFRAMES[base]:
        return stored
    built = resample(finer, TIMEFRAMES[base], TIMEFRAMES[timeframe])
    built = built[~np.isin(built.time, stored.time)]
    times = np.concatenate([stored.time, built.time])
    order = np.argsort(times, kind="stable")
    pairs = zip(stored.columns()[1:], built.columns()[1:], strict=True)
    return Candles(times[order], *(np.concatenate(pair)[order] for pair in pairs))


def _before(timeframe: str, first: int) -> int:
    """The open time (UTC ms) of the oldest candle that a window at `first` may begin with."""
    return first - (WARM + BLOCK + 1) * TIMEFRAMES[timeframe]
