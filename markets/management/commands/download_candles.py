"""manage.py download_candles: what is missing of candles and funding rates, from an exchange into the store."""

import json
import threading
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from markets import downloads
from markets.domain.candles import TIMEFRAMES, milliseconds

from ..periods import milliseconds_of

MOST_DAYS = 20_000  # further back than any exchange


class Command(BaseCommand):
    help = (
        "Download candles and funding rates of linear perpetuals; no key is needed. Only what is missing is asked for, "
        "so an interrupted download resumes, gaps are filled, and a second run asks for nothing. Requests share the "
        "limits of all processes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--exchange", required=True, help="such as binanceusdm, hyperliquid, okx, bybit, aster")
        parser.add_argument("--symbols", required=True, metavar="S,S", help="such as BTC/USDT:USDT,ETH/USDT:USDT")
        parser.add_argument("--timeframes", default="5m", metavar="T,T", help="default: %(default)s")
        parser.add_argument("--from", dest="since", default="", metavar="D", help="first open time (UTC)")
        parser.add_argument("--until", default="", metavar="D", help="end, not included (UTC); default: now")
        parser.add_argument("--days", type=int, default=30, help="without --from: so many before the end (%(default)s)")
        parser.add_argument("--no-funding", action="store_true", help="candles alone")
        parser.add_argument("--at-once", type=int, default=downloads.AT_ONCE, metavar="N", help="default: %(default)s")
        parser.add_argument(
            "--patience", type=float, default=downloads.PATIENCE, metavar="S",
            help="seconds to go on trying while the exchange does not answer (default: %(default)s)",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        now, lock = timezone.now(), threading.Lock()

        def say(text: str) -> None:
            with lock:
                self.stderr.write(text, style_func=str)

        line = downloads.Line(say, options["patience"])
        try:
            done = downloads.download(
                wanted=self._wanted(options, milliseconds(now)), now=now, line=line, at_once=options["at_once"]
            )
        except downloads.NotPossible as problem:
            raise CommandError(str(problem), returncode=2) from problem
        told = asdict(done)
        if options["json"]:
            self.stdout.write(json.dumps(told))
        else:
            for name in ("stored", "unchanged", "refused", "missing"):
                self.stdout.write(f"{name:<10}{told[name]:>12,}")
        if done.trouble:
            raise CommandError(done.trouble, returncode=1)

    def _wanted(self, options: dict[str, Any], now: int) -> downloads.Wanted:
        timeframes = tuple(name for name in options["timeframes"].split(",") if name)
        if unknown := [name for name in timeframes if name not in TIMEFRAMES]:
            raise CommandError(f"There is no timeframe {unknown[0]}: {', '.join(TIMEFRAMES)}.", returncode=2)
        until = milliseconds_of(options["until"])
        end = now if until is None else until
        day = timedelta(days=1) // timedelta(milliseconds=1)
        since = milliseconds_of(options["since"])
        if not 1 <= options["days"] <= MOST_DAYS:
            raise CommandError(f"--days must be from 1 to {MOST_DAYS:,}.", returncode=2)
        first = end - options["days"] * day if since is None else since
        if first >= end:
            raise CommandError("The end of the period lies before its beginning.", returncode=2)
        symbols = tuple(name.strip() for name in options["symbols"].split(",") if name.strip())
        if not symbols or not (timeframes or not options["no_funding"]):
            raise CommandError("Name what to download, such as --symbols BTC/USDT:USDT --timeframes 5m.", returncode=2)
        return downloads.Wanted(options["exchange"], symbols, timeframes, first, end - 1, not options["no_funding"])
