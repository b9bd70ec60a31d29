"""manage.py export_candles: stored candles, mark prices and funding rates into files."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from markets import exports, quality
from markets.candle_files import BadFile
from markets.domain.candles import TIMEFRAMES
from markets.models import SeriesKind

from ..periods import milliseconds_of


class Command(BaseCommand):
    help = (
        "Write stored series to files below a folder, one for each instrument and timeframe, named as import_candles "
        "reads them: binanceusdm/BTC_USDT_USDT-5m.parquet. What is imported again from them is equal to the last digit."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--exchange", required=True, help="such as binanceusdm")
        parser.add_argument("--symbols", default="", metavar="S,S", help="such as BTC/USDT:USDT,ETH; default: all")
        parser.add_argument("--timeframes", default="", metavar="T,T", help="such as 5m,1h; default: all")
        parser.add_argument("--kinds", default="candles,mark,funding", metavar="K,K", help="default: %(default)s")
        parser.add_argument("--format", default="parquet", choices=exports.FORMATS, help="default: %(default)s")
        parser.add_argument("--from", dest="since", default="", metavar="D", help="first open time (UTC)")
        parser.add_argument("--until", default="", metavar="D", help="end, not included (UTC)")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        first, until = milliseconds_of(options["since"]), milliseconds_of(options["until"])
        written = []
        for instrument, kind, timeframe in self._chosen(options):
            try:
                done = exports.export(
                    instrument=instrument, kind=kind, timeframe=timeframe, folder=options["folder"],
                    form=options["format"], first=first, last=None if until is None else until - 1,
                )  # fmt: skip
            except BadFile as problem:
                raise CommandError(str(problem), returncode=2) from problem
            if done is not None:
                written.append(done)
                self.stderr.write(f"{done.path}: {done.rows} rows", style_func=str)
        if not written:
            raise CommandError("Nothing of that is stored: see candle_quality for what is.", returncode=2)
        if options["json"]:
            files = [{"file": str(done.path), "rows": done.rows} for done in written]
            self.stdout.write(json.dumps({"rows": sum(done.rows for done in written), "files": files}))
        else:
            self.stdout.write(f"{sum(done.rows for done in written):,} rows in {len(written)} files")

    def _chosen(self, options: dict[str, Any]) -> list[tuple[Any, str, str]]:
        timeframes = [name for name in options["timeframes"].split(",") if name]
        if unknown := [name for name in timeframes if name not in TIMEFRAMES]:
            raise CommandError(f"There is no timeframe {unknown[0]}: {', '.join(TIMEFRAMES)}.", returncode=2)
        kinds = [name.strip() for name in options["kinds"].split(",")]
        if unknown := [name for name in kinds if name not in SeriesKind.values]:
            raise CommandError(f"There is no kind {unknown[0]}: {', '.join(SeriesKind.values)}.", returncode=2)
        symbols = [name for name in options["symbols"].split(",") if name] or [""]
        found = []
        for symbol in symbols:
            chosen = quality.chosen(exchange=options["exchange"], symbol=symbol)
            if not chosen:
                raise CommandError(f"No {symbol or 'instrument'} of {options['exchange']} is known.", returncode=2)
            found += quality.series(chosen)
        return [one for one in found if one[1] in kinds and (not one[2] or not timeframes or one[2] in timeframes)]
