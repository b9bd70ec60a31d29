"""`manage.py verify_audit`: whether the audit trail is as it was written."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger import audit


class Command(BaseCommand):
    help = (
        "Check the chain of the audit trail. Exit code 1 where an entry was changed or taken out. The hash it prints "
        "seals the whole trail: note it elsewhere, and a later run tells with --head whether its end was cut off."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", default="", help="a hash printed before, which must still be in the trail")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        found, (entries, head) = audit.flaw(), audit.head()
        sentence = found[1] if found else audit.missing(options["head"])
        if options["json"]:
            self.stdout.write(json.dumps({"entries": entries, "head": head, "whole": not sentence}))
        elif not sentence:
            self.stdout.write(f"The audit trail is whole: {entries} entries. Its hash: {head}")
        if sentence:
            raise CommandError(sentence, returncode=1)
