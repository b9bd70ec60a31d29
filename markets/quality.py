"""The quality of what is stored, series by series: gaps, bad rows, jumps, and what was refused at the door.

Checked after each import and download and by its command, and kept on the note of the series for pages to show: a
page loads no year of candles.
"""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Q

from . import history
from .domain.candles import TIMEFRAMES, milliseconds
from .domain.quality import quality
from .models import Candle, FundingRate, Instrument, MarkCandle, RefusedData, SeriesKind, SeriesNote

# How many gaps the note of a series lists; all of them are counted.
LISTED = 200
Report = dict[str, Any]


def check(*, instrument: Instrument, kind: str, timeframe: str, now: datetime) -> Report:
    """Read a whole series, and keep what was found on its note; `now` is wall time."""
    if kind == SeriesKind.FUNDING:
        found = _funding(instrument)
    else:
        model = MarkCandle if kind == SeriesKind.MARK else Candle
        candles = history.load(instrument, timeframe, of=model)
        told = quality(candles, TIMEFRAMES[timeframe], traded=kind == SeriesKind.CANDLES)
        found = asdict(told) | {"missing": told.missing, "holes": len(told.gaps), "troubles": told.troubles}
        found["gaps"] = found["gaps"][:LISTED]
    note = SeriesNote.objects.of(instrument, kind, timeframe)
    note.report, note.checked_at = found, now
    note.save(update_fields=["report", "checked_at"])
    return found


def _funding(instrument: Instrument) -> Report:
    """Settlements and the hours between them: an interval that changes is no fault."""
    rows = FundingRate.objects.filter(instrument=instrument).order_by("at")
    times = [milliseconds(at) for at in rows.values_list("at", flat=True).iterator()]
    hours = Counter((after - before) // TIMEFRAMES["1h"] for before, after in itertools.pairwise(times))
    ends = {"first": times[0] if times else None, "last": times[-1] if times else None}
    return {"rates": len(times), **ends, "intervals": {str(hour): count for hour, count in sorted(hours.items())}}


def series(instruments: Iterable[Instrument]) -> list[tuple[Instrument, str, str]]:
    """Every stored series of these instruments: instrument, kind and timeframe, the finest first."""
    found = []
    for instrument in instruments:
        for kind, model in ((SeriesKind.CANDLES, Candle), (SeriesKind.MARK, MarkCandle)):
            stored = [name for name in TIMEFRAMES if model.objects.of(instrument, name).exists()]
            found += [(instrument, str(kind), name) for name in stored]
        if FundingRate.objects.filter(instrument=instrument).exists():
            found.append((instrument, str(SeriesKind.FUNDING), ""))
    return found


def chosen(*, exchange: str = "", symbol: str = "") -> list[Instrument]:
    """Instruments of an exchange and symbol, where they are given; a short name such as BTC will do."""
    named = Q(symbol=symbol) | Q(base__iexact=symbol)
    rows = Instrument.objects.filter(**{"exchange": exchange} if exchange else {})
    return list(rows.filter(named) if symbol else rows)


def notes(instrument: Instrument) -> list[SeriesNote]:
    """What is known of every series of an instrument, candles first and the finest before the coarser."""
    kinds = [str(kind) for kind in SeriesKind]
    rows = SeriesNote.objects.filter(instrument=instrument)
    return sorted(rows, key=lambda note: (kinds.index(note.kind), TIMEFRAMES.get(note.timeframe, 0)))


def refused(instrument: Instrument) -> list[RefusedData]:
    """What did not enter of an instrument, from files and from exchanges, by part and reason."""
    rows = RefusedData.objects.filter(exchange=instrument.exchange, symbol=instrument.symbol)
    return list(rows.order_by("part", "reason"))


def part(kind: str, timeframe: str) -> str:
    """The name of a series in the counts of what was refused: `candles 5m`, `mark 8h`, `funding`."""
    return f"{kind} {timeframe}".strip()


def warnings(report: Report) -> str:
    """What a person should know of a checked series, to be added to a line; empty where there is nothing."""
    said = {
        "unbacked": "candles moved though nothing was traded",
        "reverted": "jumps were taken back at once",
        "bad": "rows are bad",
    }
    return "".join(f"; {report[name]} {words}" for name, words in said.items() if report.get(name))
