"""manage.py resample_candles: coarser candles out of finer ones, where every finer one is stored."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from markets import history, quality
from markets.domain.candles import TIMEFRAMES


class Command(BaseCommand):
    help = (
        "Build coarser candles from finer ones. A candle is built only where every finer one in it is stored, and one "
        "that is stored already stays. What was built is labelled so: candle_quality tells the timeframe it came from."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("timeframes", metavar="T,T", help="to build, such as 15m,1h,4h")
        parser.add_argument("--exchange", required=True, help="such as binanceusdm")
        parser.add_argument("--symbol", default="", help="such as BTC/USDT:USDT or BTC; default: all")
        parser.add_argument(
            "--base", default=None, choices=[*TIMEFRAMES], metavar="T", help="default: the finest stored"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["timeframes"].split(",")
        if unknown := [name for name in wanted if name not in TIMEFRAMES]:
            raise CommandError(f"There is no timeframe {unknown[0]}: {', '.join(TIMEFRAMES)}.", returncode=2)
        instruments = quality.chosen(exchange=options["exchange"], symbol=options["symbol"])
        if not instruments:
            raise CommandError("No such instrument is known: import or download candles first.", returncode=2)
        built = 0
        for instrument in instruments:
            new = history.build_timeframes(instruments=[instrument], timeframes=wanted, base=options["base"])
            built += new
            self.stderr.write(f"{instrument.exchange} {instrument}: {new:,} built", style_func=str)
        self.stdout.write(json.dumps({"built": built}) if options["json"] else f"{built:,} candles built")
