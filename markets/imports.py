"""Brings files of candles and funding rates into the store. All files are checked before any is stored.

Rows that are stored already win: an import adds, and never changes. What it passed over or refused is counted
and said.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from django.db import transaction

from . import history
from .candle_files import SUFFIXES, BadFile, Contents, Funding, contents, read_candles, read_funding
from .domain.candles import TIMEFRAMES, Candles, gaps, instant
from .domain.rounding import nearest_to
from .history import Stored
from .listing import NotListed, described, ensure_instrument, split
from .models import FundingRate, Instrument

RATE_UNIT = Decimal("0.000000000001")
_NOT_KEPT = {
    "mark": "mark prices are not stored yet (a missing mark price is the last price)",
    "quote": "quotes are not stored as history",
    "trades": "single trades are not stored",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """Rows in all files: read = stored + unchanged + refused. `refused` differ from the row that is stored.

    `gaps` counts the candles missing inside the files, `lines` says one sentence per file.
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
    chosen = list(_chosen(paths, said, progress))
    if not chosen:
        raise BadFile("There is no file to import: CSV, Parquet and Feather files of candles or funding are read.")
    checked = [_checked(held, now, progress) for held in chosen]
    samples = {(held.exchange, held.symbol): rows for held, rows in checked if isinstance(rows, Candles)}
    for held, _ in checked:
        _refuse_unlisted(held, samples)
    total = Imported()
    for held, rows in sorted(checked, key=lambda pair: pair[0].kind):
        total = _stored(total, held, rows, samples.get((held.exchange, held.symbol)))
        progress(total.lines[-1])
    return total


def _chosen(paths: Iterable[Path], said: dict[str, str], progress: Callable[[str], None]) -> Iterator[Contents]:
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
                progress(f"passed over {problem}")


def _importable(path: Path, said: dict[str, str]) -> Contents:
    held = contents(path, **said)
    if held.kind not in ("candles", "funding"):
        reason = _NOT_KEPT.get(held.kind, f"{held.kind!r} is neither candles nor funding")
        raise BadFile(f"{path}: {reason}.")
    try:
        split(held.symbol)
    except NotListed as problem:
        raise BadFile(f"{path}: {problem}") from problem
    return held


def _checked(held: Contents, now: datetime, progress: Callable[[str], None]) -> Checked:
    rows = read_candles(held, now) if held.kind == "candles" else read_funding(held, now)
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


def _stored(total: Imported, held: Contents, rows: Candles | Funding, sample: Candles | None) -> Imported:
    instrument = ensure_instrument(exchange=held.exchange, symbol=held.symbol, sample=sample)
    if isinstance(rows, Candles):
        became = history.store(instrument=instrument, timeframe=held.timeframe, candles=rows)
        missing = gaps(rows, TIMEFRAMES[held.timeframe])
    else:
        became, missing = store_funding(instrument=instrument, funding=rows), 0
    what = held.timeframe if held.kind == "candles" else held.kind
    assumed = ", rules assumed" if instrument.assumed else ""
    line = (
        f"{held.exchange} {held.symbol} {what}: {became.stored} stored, {became.unchanged} unchanged, "
        f"{became.differing} refused, {missing} missing{assumed}"
    )
    return total.and_file(line, len(rows), became, missing)


@transaction.atomic
def store_funding(*, instrument: Instrument, funding: Funding) -> Stored:
    """Keep funding rates; settlements that are stored already win over new ones."""
    Instrument.objects.select_for_update().get(pk=instrument.pk)
    settled = [instant(ms) for ms in funding.time.tolist()]
    known = dict(
        FundingRate.objects.filter(instrument=instrument, at__range=(settled[0], settled[-1])).values_list("at", "rate")
    )
    rates = {
        at: nearest_to(Decimal(repr(rate)), RATE_UNIT) for at, rate in zip(settled, funding.rate.tolist(), strict=True)
    }
    new = [FundingRate(instrument=instrument, at=at, rate=rate) for at, rate in rates.items() if at not in known]
    FundingRate.objects.bulk_create(new, batch_size=5000)
    differing = sum(at in known and known[at] != rate for at, rate in rates.items())
    return Stored(len(new), len(rates) - len(new) - differing, differing)
