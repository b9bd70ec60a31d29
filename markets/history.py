"""The candle store: what is kept of the past, and the windows that indicators are computed over.

Candles enter through `store` only, which refuses bad rows and never changes a stored one. Windows are shared
by all bots of a process and equal to the last digit in every process (see `markets.domain.windows`).
"""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.db import transaction

from .domain import windows
from .domain.candles import TIMEFRAMES, Candles, bad_rows, resample, unbroken_tail
from .domain.snapshot import Series
from .models import Candle, Instrument, MarkCandle, SeriesNote
from .models.candles import MANY, rows_of

Key = tuple[int, str]
Kept = type[Candle] | type[MarkCandle]
_CAPACITY = 512
_NOTHING = Candles.of(())
# Beyond this a broken window is asked for from its first hole to its last.
_MOST_HOLES = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the rows: new, there already, there already with other values (those stay)."""

    stored: int = 0
    unchanged: int = 0
    differing: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.stored + other.stored, self.unchanged + other.unchanged, self.differing + other.differing)


@transaction.atomic
def store(*, instrument: Instrument, timeframe: str, candles: Candles, of: Kept = Candle) -> Stored:
    """Keep closed candles, of trades or of mark prices. Rows that are stored already win over new ones.

    Raises ValueError where a row is bad: callers that read the outside check first and say which row it was.
    """
    bad = bad_rows(candles, TIMEFRAMES[timeframe])
    if bad:
        raise ValueError(f"Row {bad[0].row} of {instrument} {timeframe} must not enter: {bad[0].problem}.")
    if not len(candles):
        return Stored()
    # One writer per instrument, so that the counts are true.
    Instrument.objects.select_for_update().get(pk=instrument.pk)
    known = load(instrument, timeframe, int(candles.time[0]), int(candles.time[-1]), of=of)
    spot = np.searchsorted(known.time, candles.time)
    there = np.isin(candles.time, known.time)
    same = there & _equal(candles, known, spot)
    of.objects.add(instrument.pk, timeframe, candles[~there])
    return Stored(int((~there).sum()), int(same.sum()), int((there & ~same).sum()))


def append(*, candles: Mapping[Key, Candles]) -> None:
    """Keep closed candles of many instruments and timeframes, keyed (instrument id, timeframe).

    One statement for all that bring few.

    For candles made here, which need neither a check nor a count.
    """
    few = {key: part for key, part in candles.items() if len(part) < MANY}
    with transaction.atomic(savepoint=False):
        Candle.objects.insert(row for key, part in few.items() for row in rows_of(*key, part))
        for key in candles.keys() - few.keys():
            Candle.objects.add(*key, candles[key])


def read(instruments: Iterable[Instrument], timeframe: str, first: int, last: int) -> dict[int, Candles]:
    """Candles of many instruments in one query, keyed by instrument id; all of them are there, maybe empty."""
    rows = _rows({(timeframe, first, last): (ids := [instrument.pk for instrument in instruments])})
    return {pk: rows[pk, timeframe] for pk in ids}


def _equal(candles: Candles, known: Candles, spot: np.ndarray) -> np.ndarray:
    """Which candles have the values of the known candle at `spot`, but for the noise of float arithmetic."""
    if not len(known):
        return np.zeros(len(candles), bool)
    spot = np.minimum(spot, len(known) - 1)
    pairs = zip(candles.columns()[1:], known.columns()[1:], strict=True)
    return np.logical_and.reduce([np.isclose(new, old[spot], rtol=1e-9, atol=0) for new, old in pairs])


def load(
    instrument: Instrument | int,
    timeframe: str,
    first: int | None = None,
    last: int | None = None,
    *,
    of: Kept = Candle,
) -> Candles:
    """Stored candles with open times from `first` to `last` (UTC ms, both included), oldest first."""
    return of.objects.stretch(_key(instrument), timeframe, first, last)


def newest(instrument: Instrument | int, timeframe: str, count: int, last: int | None = None) -> Candles:
    """The newest `count` stored candles that opened at `last` (UTC ms) or before, oldest first; fewer at the start."""
    return Candle.objects.newest(_key(instrument), timeframe, count, last)


def _key(instrument: Instrument | int) -> int:
    return instrument.pk if isinstance(instrument, Instrument) else instrument


def finest(instruments: Iterable[Instrument], first: int | None = None, last: int | None = None) -> str | None:
    """The finest timeframe that any of these instruments has candles of in the range; None without."""
    stored = Candle.objects.filter(instrument__in=list(instruments)).between(first, last)
    return next((timeframe for timeframe in TIMEFRAMES if stored.filter(timeframe=timeframe).exists()), None)


def build_timeframes(
    *,
    instruments: Iterable[Instrument],
    timeframes: Sequence[str],
    base: str | None = None,
    first: int | None = None,
    last: int | None = None,
) -> int:
    """Resample each instrument's candles of `base` (default: its finest) into coarser `timeframes`.

    Returns the number of new candles. Only buckets in which every finer candle is stored become candles;
    candles that are stored already stay.
    """
    added = 0
    for instrument in instruments:
        source = base or finest([instrument], first, last)
        coarser = [timeframe for timeframe in timeframes if source and _divides(source, timeframe)]
        if source is None or not coarser:
            continue
        candles = load(instrument, source, first, last)
        for timeframe in coarser:
            built = resample(candles, TIMEFRAMES[source], TIMEFRAMES[timeframe])
            new = store(instrument=instrument, timeframe=timeframe, candles=built).stored
            SeriesNote.objects.add_built(instrument=instrument, timeframe=timeframe, source=source, count=new)
            added += new
    return added


def _divides(base: str, timeframe: str) -> bool:
    return TIMEFRAMES[timeframe] > TIMEFRAMES[base] and TIMEFRAMES[timeframe] % TIMEFRAMES[base] == 0


# --- Windows ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Window:
    """Stored candles from the anchor on. `holes` are ranges of open times in which nothing was stored.

    `looked` is the market second in which what is missing was last looked for.
    """

    candles: Candles
    series: Series
    holes: tuple[tuple[int, int], ...]
    looked: int = -1

    @classmethod
    def of(cls, candles: Candles, timeframe: str, anchor: int) -> "_Window":
        step = TIMEFRAMES[timeframe]
        before = np.concatenate([[anchor - step], candles.time])
        gaps = np.flatnonzero(np.diff(before) != step)
        holes = [(int(before[i]) + step, int(before[i + 1]) - step) for i in gaps]
        if len(holes) > _MOST_HOLES:
            holes = [(holes[0][0], holes[-1][1])]
        return cls(candles, Series(timeframe, unbroken_tail(candles, step)), tuple(holes))

    @property
    def last(self) -> int:
        return int(self.candles.time[-1]) if len(self.candles) else -1


_windows: OrderedDict[tuple[int, str, int], _Window] = OrderedDict()
_lock = threading.Lock()


def forget() -> None:
    """Drop all windows of this process: for tests."""
    with _lock:
        _windows.clear()


def series(instruments: Iterable[Instrument], timeframes: Iterable[str], now: datetime) -> Mapping[Key, Series]:
    """The window of each instrument and timeframe at `now`, keyed (instrument id, timeframe).

    One query at most, whatever the number of windows. None where this process has them whole, or has looked for
    what is missing in the same market second: a candle that comes late is seen from the next second on. An empty
    series stands where nothing is stored. Indicators computed on a series are shared with all its readers.
    """
    ids, second = [instrument.pk for instrument in instruments], int(now.timestamp())
    frames = {timeframe: windows.bounds(timeframe, now) for timeframe in timeframes}
    kept = _kept(ids, frames)
    rows = _rows(_missing(ids, frames, kept, second))
    return {
        (pk, timeframe): _window(pk, timeframe, frames[timeframe], kept, rows, second)
        for timeframe in frames
        for pk in ids
    }


def _kept(ids: list[int], frames: dict[str, tuple[int, int]]) -> dict[Key, _Window]:
    found = {}
    with _lock:
        for timeframe, (anchor, _) in frames.items():
            for pk in ids:
                if (window := _windows.get((pk, timeframe, anchor))) is not None:
                    _windows.move_to_end((pk, timeframe, anchor))
                    found[pk, timeframe] = window
    return found


def _missing(
    ids: list[int], frames: dict[str, tuple[int, int]], kept: dict[Key, _Window], second: int
) -> dict[tuple[str, int, int], list[int]]:
    """What to ask for: (timeframe, first, last) with the instruments that lack it.

    That is what came after the window, and its holes, which another process may have filled meanwhile. What
    was read once needs no second look, because a stored candle is never changed.
    """
    asked: dict[tuple[str, int, int], list[int]] = defaultdict(list)
    for timeframe, (anchor, last) in frames.items():
        for pk in ids:
            window = kept.get((pk, timeframe))
            if window is not None and window.looked == second:
                continue
            newer = (window.last + TIMEFRAMES[timeframe] if window and len(window.candles) else anchor, last)
            for first, end in (*(window.holes if window else ()), newer):
                if first <= min(end, last):
                    asked[timeframe, first, min(end, last)].append(pk)
    return asked


def _rows(asked: dict[tuple[str, int, int], list[int]]) -> dict[Key, Candles]:
    """What is stored of what is asked for, merged where a series is asked for in several ranges."""
    if not asked:
        return {}
    keys = [(pk, *stretch) for stretch, ids in asked.items() for pk in ids]
    found: dict[Key, Candles] = {}
    for (pk, timeframe, *_), part in zip(keys, Candle.objects.stretches(keys), strict=True):
        before = found.get((pk, timeframe))
        found[pk, timeframe] = part if before is None else _merged(before, part)
    return found


def _window(
    pk: int,
    timeframe: str,
    frame: tuple[int, int],
    kept: dict[Key, _Window],
    rows: dict[Key, Candles],
    second: int,
) -> Series:
    anchor, last = frame
    window = kept.get((pk, timeframe))
    new = rows.get((pk, timeframe), _NOTHING)
    if window is None or len(new):
        candles = _merged(window.candles, new) if window else new
        window = _keep((pk, timeframe, anchor), _Window.of(candles, timeframe, anchor))
    window.looked = second
    if window.last <= last:
        return window.series
    # Another feed on the same candles is further on.
    return _Window.of(window.candles[window.candles.time <= last], timeframe, anchor).series


def _merged(old: Candles, new: Candles) -> Candles:
    time, order = np.unique(np.concatenate([old.time, new.time]), return_index=True)
    values = (np.concatenate(pair)[order] for pair in zip(old.columns()[1:], new.columns()[1:], strict=True))
    return Candles(time, *values)


def _keep(key: tuple[int, str, int], window: _Window) -> _Window:
    """Remember a window, unless another thread has remembered the same or a longer one meanwhile."""
    with _lock:
        known = _windows.get(key)
        if known is not None and known.last >= window.last and len(known.candles) >= len(window.candles):
            return known
        _windows[key] = window
        _windows.move_to_end(key)
        while len(_windows) > _CAPACITY:
            _windows.popitem(last=False)
        return window
