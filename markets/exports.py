"""Writes stored series to files that `imports` reads back to the last digit: CSV, Parquet and Feather.

Names follow `<exchange>/<BASE>_<QUOTE>[_<SETTLE>]-<timeframe>`, as imports and most tools read them. A file is complete
or not there: it is written beside its place and then moved.
"""

import contextlib
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import history
from .candle_files import SUFFIXES, BadFile
from .domain.candles import milliseconds
from .models import Candle, FundingRate, Instrument, MarkCandle, SeriesKind
from .models.candles import COLUMNS

FORMATS = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)
Columns = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Exported:
    path: Path
    rows: int


def export(
    *,
    instrument: Instrument,
    kind: str,
    timeframe: str,
    folder: Path,
    form: str,
    first: int | None = None,
    last: int | None = None,
) -> Exported | None:
    """One series from `first` to `last` (open times in UTC ms, both included) into its file below `folder`.

    None where nothing is stored in that range. Raises BadFile where the file cannot be written.
    """
    columns = _columns(instrument, kind, timeframe, first, last)
    rows = len(next(iter(columns.values())))
    if not rows:
        return None
    path = folder / instrument.exchange / f"{file_stem(instrument, kind, timeframe)}.{form}"
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _writer(form)(beside, columns)
        beside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise BadFile(f"{path}: it cannot be written ({error.strerror or error}).") from error
    return Exported(path, rows)


def file_stem(instrument: Instrument, kind: str, timeframe: str) -> str:
    """The name without its ending, such as BTC_USDT_USDT-5m."""
    pair = instrument.symbol.replace("/", "_").replace(":", "_")
    content = {SeriesKind.FUNDING: "funding", SeriesKind.MARK: f"mark-{timeframe}"}.get(SeriesKind(kind), timeframe)
    return f"{pair}-{content}"


def _columns(instrument: Instrument, kind: str, timeframe: str, first: int | None, last: int | None) -> Columns:
    if kind == SeriesKind.FUNDING:
        rows = FundingRate.objects.filter(instrument=instrument).order_by("at").values_list("at", "rate")
        kept = [(milliseconds(at), float(rate)) for at, rate in rows]
        kept = [row for row in kept if (first is None or row[0] >= first) and (last is None or row[0] <= last)]
        times, rates = [row[0] for row in kept], [row[1] for row in kept]
        return {"timestamp": np.array(times, np.int64), "funding_rate": np.array(rates, np.float64)}
    model = MarkCandle if kind == SeriesKind.MARK else Candle
    candles = history.load(instrument, timeframe, first, last, of=model)
    names = ("timestamp", *COLUMNS[1 : -1 if kind == SeriesKind.MARK else None])
    return dict(zip(names, candles.columns(), strict=False))


def _writer(form: str) -> Callable[[Path, Columns], None]:
    if form == "csv":
        return _write_csv
    try:
        from pyarrow import feather, parquet
    except ImportError as error:
        raise BadFile(
            f"{form.capitalize()} files need pyarrow, which is not installed here (python -m pip install pyarrow); "
            "CSV files need nothing."
        ) from error
    if form == "parquet":
        return lambda path, columns: parquet.write_table(_table(columns), path, compression="zstd")
    return lambda path, columns: feather.write_feather(_table(columns), str(path), compression="zstd")


def _table(columns: Columns) -> Any:
    import pyarrow

    return pyarrow.table(columns)


def _write_csv(path: Path, columns: Columns) -> None:
    # Python writes a float with the fewest digits that read back to the same float.
    values: Sequence[list[Any]] = [column.tolist() for column in columns.values()]
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*values, strict=True))
