"""manage.py import_candles: files or folders of candles and funding rates into the store."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets.candle_files import BadFile
from markets.domain.candles import TIMEFRAMES
from markets.imports import Imported, import_files

_COUNTS = ("read", "stored", "unchanged", "refused", "gaps")


class Command(BaseCommand):
    help = (
        "Store candles and funding rates from CSV, Parquet or Feather files, or folders of them. Exchange, symbol and "
        "timeframe are read from paths like binanceusdm/BTC_USDT_USDT-5m.parquet. All files are checked before any "
        "is stored; rows that are stored already stay as they are."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--exchange", default="", help="such as binanceusdm")
        parser.add_argument("--symbol", default="", help="such as BTC/USDT:USDT")
        parser.add_argument("--timeframe", default="", choices=["", *TIMEFRAMES], metavar="T", help="such as 5m")
        parser.add_argument("--kind", default="", choices=["", "candles", "funding", "mark"], help="default: by name")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_files(
                paths=options["files"],
                now=timezone.now(),
                exchange=options["exchange"],
                symbol=options["symbol"],
                timeframe=options["timeframe"],
                kind=options["kind"],
                progress=self._progress,
            )
        except BadFile as problem:
            if options["json"]:
                self._tell(Imported(read=problem.rows, refused=problem.bad), {"error": str(problem)})
            raise CommandError(str(problem), returncode=2) from problem
        if options["json"]:
            self._tell(done)
        else:
            self._table(done)

    def _progress(self, line: str) -> None:
        self.stderr.write(line, style_func=str)

    def _tell(self, done: Imported, more: dict[str, str] | None = None) -> None:
        counts = {name: getattr(done, name) for name in _COUNTS}
        self.stdout.write(json.dumps({**counts, **(more or {})}))

    def _table(self, done: Imported) -> None:
        for name in _COUNTS:
            self.stdout.write(f"{name:<10}{getattr(done, name):>12,}")
