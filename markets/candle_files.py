"""Reads files of candles and funding rates: CSV always, Parquet and Feather where pyarrow is installed.

What a file holds is told by its name (`<exchange>/<BASE>_<QUOTE>[_<SETTLE>]-<timeframe>`, and freqtrade's own
names) unless the caller says it. A file is good as a whole or not at all: the first bad row refuses it.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .domain.candles import HOUR, TIMEFRAMES, Candles, Floats, Times, bad_rows, funding_hour, milliseconds

SUFFIXES = (".csv", ".parquet", ".feather")
# The first block of Bitcoin: an earlier time is a wrong unit.
EARLIEST = milliseconds(datetime(2009, 1, 3, tzinfo=UTC))
_TIMES = ("timestamp", "date", "open_time", "time")
_PRICES = ("open", "high", "low", "close")
# Freqtrade keeps the rate in `open`.
_RATES = ("funding_rate", "fundingrate", "rate", "open")
_NAME = re.compile(r"(?P<base>[^_]+)_(?P<quote>[^_]+?)(?:_(?P<settle>[^_-]+))?-(?P<content>[^.]+)")


class BadFile(ValueError):
    """One sentence: which file, which row, what is wrong. `rows` were read, `bad` of them must not enter.

    `reasons` counts the bad ones by what is wrong with them.
    """

    def __init__(self, sentence: str, rows: int = 0, bad: int = 0, reasons: Mapping[str, int] | None = None) -> None:
        super().__init__(sentence)
        self.rows = rows
        self.bad = bad
        self.reasons = dict(reasons or {})


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file is said to hold. `kind` is candles, funding or a word for what cannot be imported."""

    path: Path
    kind: str
    exchange: str
    symbol: str
    timeframe: str


@dataclass(frozen=True, slots=True)
class Funding:
    """Settlements, oldest first: `time` in UTC ms on the full hour, `rate` a fraction per interval."""

    time: Times
    rate: Floats

    def __len__(self) -> int:
        return len(self.time)


def contents(path: Path, exchange: str = "", symbol: str = "", timeframe: str = "", kind: str = "") -> Contents:
    """What the file holds by its path, where the caller has not said it. Raises BadFile where neither tells."""
    named = _NAME.fullmatch(path.name.removesuffix(path.suffix))
    said_kind, said_timeframe = _content(named["content"]) if named else ("candles", "")
    kind, timeframe = kind or said_kind, timeframe or said_timeframe
    symbol = symbol or (_symbol(named) if named else "")
    # Freqtrade keeps its futures in a folder of that name below the exchange.
    folder = path.absolute().parent
    exchange = exchange or ((folder.parent if folder.name == "futures" else folder).name if named else "")
    if not (exchange and symbol):
        raise BadFile(f"{path}: its name does not say exchange and symbol; give --exchange and --symbol.")
    if kind in ("candles", "mark") and timeframe not in TIMEFRAMES:
        known = ", ".join(TIMEFRAMES)
        raise BadFile(f"{path}: {timeframe or 'no'} timeframe can be read from it; give --timeframe ({known}).")
    return Contents(path, kind, exchange, symbol, timeframe)


def _content(text: str) -> tuple[str, str]:
    """(kind, timeframe) of the part of a name after the first hyphen."""
    if text in TIMEFRAMES:
        return "candles", text
    first, _, rest = text.partition("-")
    if first in TIMEFRAMES:
        return {"futures": "candles", "funding_rate": "funding"}.get(rest, rest), first
    # Anything else that is not funding is named as it is: mark, quote, trades.
    return first, rest if rest in TIMEFRAMES else ""


def _symbol(named: re.Match[str]) -> str:
    pair = f"{named['base']}/{named['quote']}"
    return f"{pair}:{named['settle']}" if named["settle"] else pair


def read_candles(held: Contents, now: datetime) -> Candles:
    """The candles of a file, all good and closed at `now`; mark prices have a volume of zero. Raises BadFile."""
    table = _table(held.path)
    columns = [_column(held.path, table, (name,)) for name in _PRICES]
    columns.append(np.zeros(len(columns[0])) if held.kind == "mark" else _column(held.path, table, ("volume",)))
    candles = Candles(_times(held.path, table), *columns)
    step = TIMEFRAMES[held.timeframe]
    problems = {bad.row: bad.problem for bad in bad_rows(candles, step)}
    _name_rows(problems, "the candle has not closed yet", candles.time + step > milliseconds(now))
    _refuse_bad(held.path, problems, candles.time)
    return candles


def read_funding(held: Contents, now: datetime) -> Funding:
    """The funding rates of a file, their times set to the full hour they belong to. Raises BadFile.

    Exchanges publish the time a few milliseconds late, at worst some minutes.
    """
    table = _table(held.path)
    times = _times(held.path, table)
    hours = funding_hour(times)
    funding = Funding(hours, _column(held.path, table, _RATES))
    steps = np.diff(hours, prepend=hours[:1] - HOUR)
    problems: dict[int, str] = {}
    _name_rows(problems, "the rate is not a number between -1 and 1", ~(np.abs(funding.rate) < 1))
    _name_rows(problems, "its hour is that of the row before", steps == 0)
    _name_rows(problems, "its time is before the row before", steps < 0)
    _name_rows(problems, "its time is in the future", times > milliseconds(now))
    _refuse_bad(held.path, problems, times)
    return funding


def _name_rows(problems: dict[int, str], problem: str, mask: NDArray[np.bool_]) -> None:
    for row in np.flatnonzero(mask).tolist():
        problems.setdefault(row, problem)


def _refuse_bad(path: Path, problems: dict[int, str], times: Times) -> None:
    if not len(times):
        raise BadFile(f"{path}: it has no rows.")
    ancient: dict[int, str] = {}
    _name_rows(ancient, "its time is before 2009 (times are UTC milliseconds or ISO 8601)", times < EARLIEST)
    problems = {**problems, **ancient}
    if problems:
        row = min(problems)
        others = f" ({len(problems) - 1} more rows are bad)" if len(problems) > 1 else ""
        reasons = Counter(problems.values())
        raise BadFile(f"{path}, row {row + 1}: {problems[row]}{others}.", len(times), len(problems), reasons)


def rows_in(path: Path) -> int:
    """How many rows a file has whose meaning is unknown; 0 where it cannot be read."""
    try:
        return max((len(column) for column in _table(path).values()), default=0)
    except BadFile:
        return 0


# --- Columns ---------------------------------------------------------------------------------------------

Table = dict[str, Sequence[Any]]


def _table(path: Path) -> Table:
    """The columns of a file by lower-case name. Raises BadFile."""
    readers: dict[str, Callable[[Path], Table]] = {
        ".csv": _csv_table, ".parquet": _arrow_table, ".feather": _arrow_table,
    }  # fmt: skip
    if path.suffix not in readers:
        raise BadFile(f"{path}: files of this kind cannot be read; {', '.join(readers)} can.")
    try:
        return readers[path.suffix](path)
    except BadFile:
        raise
    except (OSError, ValueError, csv.Error, UnicodeDecodeError) as error:
        raise BadFile(f"{path}: it cannot be read ({_first_line(error)}).") from error


def _csv_table(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.reader(file)
        header = [name.strip().lower() for name in next(lines, [])]
        rows = list(_whole_rows(path, lines, len(header)))
    return dict(zip(header, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(header, ())


def _whole_rows(path: Path, lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    for row, cells in enumerate((line for line in lines if line), 1):
        if len(cells) != width:
            raise BadFile(f"{path}, row {row}: it has {len(cells)} values and the header {width}.", row, 1)
        yield cells


def _arrow_table(path: Path) -> Table:
    try:
        from pyarrow import feather, parquet
    except ImportError as error:
        raise BadFile(
            f"{path}: Parquet and Feather files need pyarrow, which is not installed here "
            "(python -m pip install pyarrow); CSV files need nothing."
        ) from error
    table = parquet.read_table(path) if path.suffix == ".parquet" else feather.read_table(path)
    return {name.lower(): _arrow_column(table[name]) for name in table.column_names}


def _arrow_column(column: Any) -> Sequence[Any]:
    values = column.to_numpy()
    return values.astype("datetime64[ms]").astype(np.int64) if values.dtype.kind == "M" else values


def _column(path: Path, table: Table, names: Sequence[str]) -> Floats:
    name = next((name for name in names if name in table), None)
    if name is None:
        raise BadFile(f"{path}: it has no column {' or '.join(names)}.")
    return np.ascontiguousarray(_numbers(path, name, table[name], float), dtype=np.float64)


def _times(path: Path, table: Table) -> Times:
    name = next((name for name in _TIMES if name in table), None)
    if name is None:
        raise BadFile(f"{path}: it has no column timestamp.")
    values = table[name]
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return values.astype(np.int64)
    return np.array(_numbers(path, name, values, _time), dtype=np.int64)


def _numbers(path: Path, name: str, values: Sequence[Any], convert: Callable[[Any], float]) -> Sequence[float]:
    """The converted values; the first that is none is named by its row."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu" and convert is float:
        return values
    converted = []
    for row, value in enumerate(values, 1):
        try:
            converted.append(convert(value))
        except (TypeError, ValueError, OverflowError) as error:
            raise BadFile(f"{path}, row {row}: {name} is {value!r}, which cannot be read.", len(values), 1) from error
    return converted


def _time(value: Any) -> int:
    """UTC ms from a number of ms or an ISO 8601 time; one without an offset is UTC."""
    text = str(value).strip()
    if re.fullmatch(r"\d+(\.0*)?", text):
        return int(text.partition(".")[0])
    at = datetime.fromisoformat(text)
    return milliseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
