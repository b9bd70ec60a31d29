"""`manage.py prune`: remove what may go by age, and say how much of which table went."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from tradingsite.pruning import prune


class Command(BaseCommand):
    help = (
        "Remove old rows that no figure rests on: simulated candles, equity points between those that stay, cycles "
        "that held, booked reports of the paper venue, old backtests. The ages are the KEEP_… settings, in days of "
        "market time. Trades, orders, positions, cash, intents and decisions that acted or were refused are never "
        "removed. Trading may go on meanwhile; once an hour the product does the same by itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and remove nothing")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        dry_run = options["dry_run"]
        removed: dict[str, int] = {}
        for model, count in prune(days=settings.KEEP_DAYS, dry_run=dry_run):
            removed[model._meta.db_table] = count
            self.stderr.write(f"{model._meta.verbose_name_plural}: {count:,} {'would go' if dry_run else 'removed'}")
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": dry_run, "removed": removed, "rows": sum(removed.values())}))
