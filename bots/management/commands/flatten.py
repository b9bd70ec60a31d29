"""`manage.py flatten`: close what a bot, an account or everybody holds, without asking any model; or ask one first."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots import control
from ledger.models import Account

from .run_bot import find


class Command(BaseCommand):
    help = "Pause bots and ask the guardian to close what they hold. With --ask their model says close or keep."

    def add_arguments(self, parser: ArgumentParser) -> None:
        scope = parser.add_mutually_exclusive_group(required=True)
        scope.add_argument("--bot", metavar="NAME_OR_ID", help="one bot")
        scope.add_argument("--account", metavar="ID", type=int, help="all books of one account")
        scope.add_argument("--all", action="store_true", help="all accounts there are")
        parser.add_argument("--ask", action="store_true", help="ask the bot's model: close or keep, each position")

    def handle(self, **options: Any) -> None:
        if options["ask"] and not options["bot"]:
            raise CommandError("A model is asked for one bot: give --bot.", returncode=2)
        if options["bot"]:
            self.bot(options["bot"], ask=options["ask"])
            return
        accounts = Account.objects.select_related("feed").order_by("id")
        chosen = list(accounts if options["all"] else accounts.filter(pk=options["account"]))
        if not chosen:
            raise CommandError("There is no such account.", returncode=2)
        for account in chosen:
            control.flatten_account(account=account, by=None)
            self.stdout.write(f"{account}: the guardian closes what it holds; its bots are paused.")

    def bot(self, name: str, *, ask: bool) -> None:
        bot = find(name)
        try:
            (control.emergency if ask else control.flatten)(bot=bot, by=None)
        except control.NotPossible as refusal:
            raise CommandError(str(refusal), returncode=2) from None
        done = "is asked at the next instant: close or keep" if ask else "is paused and being flattened"
        self.stdout.write(f"{bot.name} {done}.")
