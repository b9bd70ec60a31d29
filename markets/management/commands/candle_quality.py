"""manage.py candle_quality: gaps, bad rows, jumps and refused rows of every stored series."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets import quality
from markets.domain.candles import instant
from markets.models import SeriesKind, SeriesNote

_FIGURES = ("candles", "missing", "holes", "bad", "still", "unbacked", "jumps", "reverted")


class Command(BaseCommand):
    help = (
        "Check what is stored, series by series: missing candles and the holes they make, bad rows, candles without "
        "volume (still) and those that moved all the same (unbacked), jumps of the close and those that were taken "
        "back at once (reverted), and the rows that were refused at the door, by reason. Nothing is changed but the "
        "notes that pages show."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--exchange", default="", help="such as binanceusdm; default: all")
        parser.add_argument("--symbol", default="", help="such as BTC/USDT:USDT or BTC; default: all")
        parser.add_argument(
            "--gaps", type=int, default=3, metavar="N", help="gaps to list of each (default %(default)s)"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["gaps"] < 0:
            raise CommandError("--gaps must be 0 or more.", returncode=2)
        found = []
        for instrument, kind, timeframe in quality.series(
            quality.chosen(**{k: options[k] for k in ("exchange", "symbol")})
        ):
            self.stderr.write(f"checking {instrument.exchange} {instrument} {timeframe} {kind}", style_func=str)
            report = quality.check(instrument=instrument, kind=kind, timeframe=timeframe, now=now)
            note = SeriesNote.objects.get(instrument=instrument, kind=kind, timeframe=timeframe)
            part = quality.part(kind, timeframe)
            refused = {row.reason: row.count for row in quality.refused(instrument) if row.part == part}
            found.append({
                "exchange": instrument.exchange, "symbol": instrument.symbol, "kind": kind, "timeframe": timeframe,
                **report, "refused": refused, "built_from": note.built_from, "built": note.built,
            })  # fmt: skip
        if not found:
            raise CommandError("Nothing of that is stored: import_candles and download_candles bring candles.")
        if options["json"]:
            self.stdout.write(json.dumps({"series": found}))
            return
        for one in found:
            self._tell(one, options["gaps"])

    def _tell(self, one: dict[str, Any], most: int) -> None:
        name = f"{one['exchange']} {one['symbol']} {one['timeframe'] or one['kind']}"
        name += " mark" if one["kind"] == SeriesKind.MARK else ""
        if one["kind"] == SeriesKind.FUNDING:
            spread = ", ".join(f"{count} of {hours} h" for hours, count in one["intervals"].items())
            self.stdout.write(f"{name}: {one['rates']:,} rates; intervals: {spread or 'one rate'}")
        else:
            figures = ", ".join(
                f"{one[figure]:,} {figure}" for figure in _FIGURES if figure == "candles" or one[figure]
            )
            built = f"; {one['built']:,} resampled from {one['built_from']}" if one["built"] else ""
            self.stdout.write(f"{name}: {figures}{built}")
            for gap in one["gaps"][:most]:
                self.stdout.write(f"    {gap['missing']:,} missing from {instant(gap['first']):%Y-%m-%d %H:%M} UTC")
            if one["holes"] > most:
                self.stdout.write(f"    and {one['holes'] - most:,} more gaps")
        for reason, count in one["refused"].items():
            self.stdout.write(f"    refused {count:,}: {reason}")
