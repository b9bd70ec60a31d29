"""`manage.py show_prompt`: the prompt that a model would get for a bot now, with its size."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bots import previews
from bots.domain.prompt import tokens_at_most

from .run_bot import find


class Command(BaseCommand):
    help = "Print the prompt that a model would get for this bot at the present instant of its market."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bot", metavar="NAME_OR_ID", help="name or number of the bot")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        prompt = previews.prompt_now(find(options["bot"]))
        tokens = tokens_at_most(prompt.system) + tokens_at_most(prompt.user)
        if options["json"]:
            found = {"system": prompt.system, "user": prompt.user, "digest": prompt.digest, "tokens_at_most": tokens}
            self.stdout.write(json.dumps(found))
            return
        self.stdout.write(f"{prompt.system}\n\n{'-' * 100}\n\n{prompt.user}")
        self.stderr.write(f"{prompt.characters:,} characters, at most {tokens:,} tokens")
