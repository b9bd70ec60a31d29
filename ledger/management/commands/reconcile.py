"""`manage.py reconcile`: compare accounts with their venues and say every difference in a line."""

import json
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger import guardian, reconciliation, reports
from ledger.models import Account
from markets import driving
from markets.feeds import clock


class Command(BaseCommand):
    help = (
        "Book what venues have reported, place missing stops, then compare cash, positions, orders and stops. "
        "An account that does not agree is halted; exit code 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", nargs="?", metavar="ACCOUNT", help="name of an account (default: all)")
        parser.add_argument(
            "--alone", action="store_true", help="no other process is at work: settle at once what one left behind"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        self.alone = options["alone"]
        accounts = Account.objects.kept().select_related("feed").order_by("pk")
        chosen = list(accounts.filter(name__iexact=options["account"]) if options["account"] else accounts)
        if not chosen and options["account"]:
            names = ", ".join(accounts.values_list("name", flat=True)) or "none yet"
            raise CommandError(f"There is no account «{options['account']}». Accounts: {names}.", returncode=2)
        found = {account.name: self.compare(account) for account in chosen}
        if options["json"]:
            self.stdout.write(json.dumps({"accounts": found, "differences": sum(map(len, found.values()))}))
        else:
            self.tell(found)
        if any(found.values()):
            raise CommandError("The ledger and the venue do not agree.", returncode=1)

    def compare(self, account: Account) -> list[str]:
        if account.feed.lock_step:
            found = self.held(account)
        else:
            found = reconciliation.check(account=account, wall=datetime.now(UTC), at_once=False)
        account.refresh_from_db(fields=["silent_since"])
        if account.silent_since is not None:
            return ["its venue does not answer, so nothing was compared"]
        return [str(difference) for difference in found]

    def held(self, account: Account) -> list[reconciliation.Difference]:
        """Between two instants of a lock-step market: book, enforce, and nobody else is at work meanwhile."""
        try:
            with driving.held(account.feed):
                now = clock.now(account.feed)
                reports.resolve(account=account, now=now, alone=self.alone)
                guardian.sweep(feed=account.feed, now=now)
                return reconciliation.check(account=account, wall=datetime.now(UTC))
        except driving.Busy as busy:
            raise CommandError(str(busy), returncode=2) from None

    def tell(self, found: dict[str, list[str]]) -> None:
        for name, differences in found.items():
            self.stdout.write(f"{name}: {'agrees with its venue' if not differences else ''}")
            for difference in differences:
                self.stdout.write(f"  {difference}")
        if not found:
            self.stdout.write("There are no accounts yet.")
