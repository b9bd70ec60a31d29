"""Brings files of candles, mark prices and funding rates into the store. All are checked before any is stored.

Rows that are stored already win: an import adds, and never changes. What it passed over or refused is counted
and said.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from django.db import transaction

from . import history, quality, refusals
from .candle_files import SUFFIXES, BadFile, Contents, Funding, contents, read_candles, read_funding, rows_in
from .domain.candles import HOUR, REPEATED, TIMEFRAMES, Candles, funding_hour, gaps, instant, milliseconds
from .domain.rounding import nearest_to
from .history import Stored
from .listing import NotListed, described, ensure_instrument, split
from .models import Candle, FundingRate, Instrument, MarkCandle

RATE_UNIT = Decimal("0.000000000001")
_NOT_KEPT = {
    "quote": "quotes are not stored as history",
    "trades": "single trades are not stored",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """Rows in all files: read = stored + unchanged + refused.

    `refused` differ from the row that is stored, or lie in a file of a folder that was passed over. `gaps` counts the
    candles missing inside the files, `lines` says one sentence per file, and why rows were refused.
    """

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    refused: int = 0
    gaps: int = 0
    lines: tuple[str, ...] = ()

    def and_file(self, line: str, rows: int, became: Stored, missing: int) -> "Imported":
        return Imported(
            self.read + rows,
            self.stored + became.stored,
            self.unchanged + became.unchanged,
            self.refused + became.differing,
            self.gaps + missing,
            (*self.lines, line),
        )


Checked = tuple[Contents, Candles | Funding]
MANY = 5_000  # new rows, of which the planner of the database should know at once
DIFFERS = "it differs from the row that is stored"


def import_files(
    *,
    paths: Iterable[Path],
    now: datetime,
    exchange: str = "",
    symbol: str = "",
    timeframe: str = "",
    kind: str = "",
    progress: Callable[[str], None] = lambda line: None,
) -> Imported:
    """Check all files, then store them. What the files hold is read from their paths where it is not given.

    In a folder, files that are something else by their name are passed over and said; a file that is named
    must be importable. Raises BadFile with one sentence, and then nothing at all has been stored.
    """
    said = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe, "kind": kind}
    total, chosen = Imported(), []
    for found in _chosen(paths, said):
        if isinstance(found, Contents):
            chosen.append(found)
            continue
        path, problem = found
        count = rows_in(path)
        total = total.and_file(f"passed over {problem}", count, Stored(differing=count), 0)
        progress(total.lines[-1])
    if not chosen:
        raise BadFile("There is no file to import: CSV, Parquet and Feather files of candles or funding are read.")
    checked = [_checked(held, now, progress) for held in chosen]
    # Mark prices have more digits than any tick.
    traded = [(held, rows) for held, rows in checked if held.kind == "candles" and isinstance(rows, Candles)]
    samples = {(held.exchange, held.symbol): rows for held, rows in traded}
    for held, _ in checked:
        _refuse_unlisted(held, samples)
    for held, rows in sorted(checked, key=lambda pair: pair[0].kind):
        total = _stored(total, held, rows, samples.get((held.exchange, held.symbol)), now)
        progress(total.lines[-1])
    if total.stored >= MANY:
        Candle.objects.analyze()
    return total


def _chosen(paths: Iterable[Path], said: dict[str, str]) -> Iterator[Contents | tuple[Path, BadFile]]:
    """What to import, and in folders what not, with the reason."""
    for path in paths:
        if not path.exists():
            raise BadFile(f"{path}: there is no such file.")
        if path.is_file():
            yield _importable(path, said)
            continue
        for found in sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file()):
            try:
                yield _importable(found, said)
            except BadFile as problem:
                yield found, problem


def _importable(path: Path, said: dict[str, str]) -> Contents:
    held = contents(path, **said)
    if held.kind not in ("candles", "mark", "funding"):
        reason = _NOT_KEPT.get(held.kind, f"{held.kind!r} is neither candles nor funding")
        raise BadFile(f"{path}: {reason}.")
    try:
        split(held.symbol)
    except NotListed as problem:
        raise BadFile(f"{path}: {problem}") from problem
    return held


def _checked(held: Contents, now: datetime, progress: Callable[[str], None]) -> Checked:
    try:
        rows = read_funding(held, now) if held.kind == "funding" else read_candles(held, now)
    except BadFile as problem:
        for said, times in problem.reasons.items():
            _count_refused(held, "duplicate" if said == REPEATED else "bad_row", said, times)
        refusals.write(now)
        raise
    progress(f"checked {held.path}: {len(rows)} rows")
    return held, rows


def _refuse_unlisted(held: Contents, samples: dict[tuple[str, str], Candles]) -> None:
    """Whether there will be rules for it, before anything is stored."""
    if Instrument.objects.filter(exchange=held.exchange, symbol=held.symbol).exists():
        return
    try:
        described(held.exchange, held.symbol, samples.get((held.exchange, held.symbol)))
    except NotListed as problem:
        raise BadFile(f"{held.path}: {problem}") from problem


def _timeframe(held: Contents) -> str:
    return "" if held.kind == "funding" else held.timeframe


def _count_refused(held: Contents, reason: str, said: str, times: int) -> None:
    part = quality.part(held.kind, _timeframe(held))
    refusals.count(
        exchange=held.exchange, symbol=held.symbol, part=part, reason=reason, example=f"{said} ({held.path.name})",
        times=times,
    )  # fmt: skip


def _stored(
    total: Imported, held: Contents, rows: Candles | Funding, sample: Candles | None, now: datetime
) -> Imported:
    instrument = ensure_instrument(exchange=held.exchange, symbol=held.symbol, sample=sample)
    if isinstance(rows, Candles):
        model = MarkCandle if held.kind == "mark" else Candle
        became = history.store(instrument=instrument, timeframe=held.timeframe, candles=rows, of=model)
        missing = gaps(rows, TIMEFRAMES[held.timeframe])
    else:
        became, missing = store_funding(instrument=instrument, funding=rows), 0
    timeframe, troubles = _timeframe(held), ""
    if became.differing:
        _count_refused(held, "changed", DIFFERS, became.differing)
        refusals.write(now)
    if became.stored:
        report = quality.check(instrument=instrument, kind=held.kind, timeframe=timeframe, now=now)
        troubles = quality.warnings(report)
    what = " ".join(filter(None, (timeframe, "" if held.kind == "candles" else held.kind)))
    assumed = ", rules assumed" if instrument.assumed else ""
    why = f" ({DIFFERS})" if became.differing else ""
    line = (
        f"{held.exchange} {held.symbol} {what}: {became.stored} stored, {became.unchanged} unchanged, "
        f"{became.differing} refused{why}, {missing} missing{assumed}{troubles}"
    )
    return total.and_file(line, len(rows), became, missing)


@transaction.atomic
def store_funding(*, instrument: Instrument, funding: Funding) -> Stored:
    """Keep funding rates; settlements that are stored already win over new ones, some minutes apart or not."""
    Instrument.objects.select_for_update().get(pk=instrument.pk)
    hours = funding.time.tolist()
    around = (instant(hours[0] - HOUR), instant(hours[-1] + HOUR))
    stored = FundingRate.objects.filter(instrument=instrument, at__range=around).values_list("at", "rate")
    # Rows of earlier versions have the time that their exchange told.
    known = {funding_hour(milliseconds(at)): rate for at, rate in stored}
    rates = {
        at: nearest_to(Decimal(repr(rate)), RATE_UNIT) for at, rate in zip(hours, funding.rate.tolist(), strict=True)
    }
    new = [
        FundingRate(instrument=instrument, at=instant(at), rate=rate) for at, rate in rates.items() if at not in known
    ]
    FundingRate.objects.bulk_create(new, batch_size=5000)
    differing = sum(at in known and known[at] != rate for at, rate in rates.items())
    return Stored(len(new), len(rates) - len(new) - differing, differing)
