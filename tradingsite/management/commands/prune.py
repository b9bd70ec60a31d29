"""`manage.py prune`: remove what may go by age, and say how much of which table went."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from bots import retention as bots
from ledger import retention as ledger
from ledger.models import EquityPoint
from markets import retention as markets
from markets.models import Candle, PaperReport


class Command(BaseCommand):
    help = (
        "Remove old rows that no figure rests on: simulated candles, equity points between those that stay, cycles "
        "that held, booked reports of the paper venue. The ages are the KEEP_… settings, in days of market time. "
        "Trades, orders, positions, cash, intents and decisions that acted or were refused are never removed. "
        "Trading may go on meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        dry_run = options["dry_run"]
        removed: dict[str, int] = {}
        for model, count in self.removed(settings.KEEP_DAYS, dry_run):
            removed[model._meta.db_table] = count
            self.stderr.write(f"{model._meta.verbose_name_plural}: {count:,} {'would go' if dry_run else 'removed'}")
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": dry_run, "removed": removed, "rows": sum(removed.values())}))

    def removed(self, days: dict[str, int], dry_run: bool) -> Iterator[tuple[Any, int]]:
        """Each table with the number of rows that went, one after the other."""
        yield from bots.holds(days=days["holds"], dry_run=dry_run).items()
        hourly = max(days["equity"], days["equity_hourly"])
        yield EquityPoint, ledger.equity_points(days=days["equity"], hourly_days=hourly, dry_run=dry_run)
        yield PaperReport, ledger.reports(days=days["reports"], dry_run=dry_run)
        yield Candle, markets.candles(days=days["candles"], dry_run=dry_run)
