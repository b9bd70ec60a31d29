"""Makes an API token for a user. The token stands alone on standard output, so that a script can take it."""

import argparse
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ledger import tokens
from ledger.models import Scope, User

MOST_DAYS = 3650


class Command(BaseCommand):
    help = "Make an API token for a user and print it, alone, on standard output. It is shown only once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="name of the user")
        parser.add_argument(
            "--scope", choices=Scope.values, default=Scope.READ.value, help="what it may do (default: read)"
        )
        parser.add_argument("--name", default="", help="what it is for, to recognise it by")
        parser.add_argument("--days", type=days, help="days until it expires (default: never)")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find(options["user"])
        expires_in = timedelta(days=options["days"]) if options["days"] else None
        try:
            text = tokens.issue(
                user=user,
                scope=options["scope"],
                name=options["name"],
                expires_in=expires_in,
                now=timezone.now(),
            )
        except ValueError as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        until = f"for {options['days']} days" if options["days"] else "until it is deleted"
        self.stderr.write(f"A token of {user} with the scope {options['scope']}, {until}. Keep it secret.")
        self.stdout.write(text)


def days(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is not a whole number of days from 1 to {MOST_DAYS}.")


def find(name: str) -> User:
    """The active user of this name; else CommandError with one sentence and the nearest names."""
    user = User.objects.filter(username=name).first()
    if user is not None and user.is_active:
        return user
    if user is not None:
        raise CommandError(f"The user {name} is switched off and can have no token.", returncode=2)
    near = get_close_matches(name, list(User.objects.values_list("username", flat=True)), cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else "."
    raise CommandError(f"There is no user {name}{hint}", returncode=2)
