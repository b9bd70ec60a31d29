"""`manage.py rotate_credentials`: put every stored secret under the newest key."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tradingsite.rotation import rotate


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the first of CREDENTIALS_KEYS. To change the key: put the new one before the "
        "old one (new,old), restart every process, run this, then take the old one away. Exit code 1 where a secret "
        "could not be opened; it stays as it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        troubles: list[str] = []
        rotated = 0
        for row, trouble in rotate():
            rotated += not trouble
            if trouble:
                troubles.append(f"{row._meta.verbose_name} {row}: {trouble}")
        if options["json"]:
            self.stdout.write(json.dumps({"rotated": rotated, "unreadable": troubles}))
        else:
            secrets = "1 secret is" if rotated == 1 else f"{rotated:,} secrets are"
            self.stdout.write(f"{secrets} under the newest key.")
        if troubles:
            raise CommandError("\n".join(troubles), returncode=1)
