"""`manage.py run_bot`: one cycle of a bot in the terminal, with its eleven steps and the verdict of each rule."""

import json
from argparse import ArgumentParser
from difflib import get_close_matches
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots import control, single_run
from bots.models import Bot, Cycle


class Command(BaseCommand):
    help = "Run one cycle of a bot now and print what each step did. The market stands still meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("bot", metavar="NAME_OR_ID", help="name or number of the bot")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        bot = find(options["bot"])
        try:
            cycle = single_run.run(bot=bot)
        except control.NotPossible as problem:
            raise CommandError(str(problem), returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps(as_json(cycle)))
        else:
            self.table(cycle)
        if cycle.status != "done":
            raise CommandError(f"The cycle ended as {cycle.status}: {cycle.error}", returncode=1)

    def table(self, cycle: Cycle) -> None:
        self.stdout.write(f"{cycle.bot.name}, slot {cycle.slot:%Y-%m-%d %H:%M} UTC market time\n")
        for number, step in enumerate(cycle.steps, 1):
            self.stdout.write(f"{number:3}  {step['name']:<38}{step['ms']:>9.2f} ms  {step['note']}")
        for item in items(cycle):
            self.stdout.write(f"\n{item.action} {item.symbol}: {item.outcome}. {item.reason}")
            for verdict in item.verdicts:
                self.stdout.write(f"     {verdict['effect']:<7}{verdict['code']:<22}{verdict['text']}")


def find(name_or_id: str) -> Bot:
    """The bot of this name or number; CommandError with the nearest names where there is none."""
    bots = Bot.objects.select_related("book__account__feed").order_by("-book__account__feed__running", "-pk")
    named = bots.filter(name__iexact=name_or_id).first()
    numbered = bots.filter(pk=name_or_id).first() if name_or_id.isdigit() else None
    if bot := named or numbered:
        return bot
    names = sorted(set(Bot.objects.values_list("name", flat=True)))
    near = get_close_matches(name_or_id, names, n=3, cutoff=0.4) or names[:5]
    hint = f"Did you mean {', '.join(near)}?" if near else "There are no bots yet; start with `manage.py up`."
    raise CommandError(f"There is no bot «{name_or_id}». {hint}", returncode=2)


def items(cycle: Cycle) -> list[Any]:
    return list(cycle.decision.items.order_by("id")) if hasattr(cycle, "decision") else []


def as_json(cycle: Cycle) -> dict[str, Any]:
    return {
        "bot": cycle.bot.name,
        "slot": cycle.slot.isoformat(),
        "status": cycle.status,
        "error": cycle.error,
        "steps": cycle.steps,
        "items": [
            {
                "symbol": item.symbol,
                "action": item.action,
                "outcome": item.outcome,
                "reason": item.reason,
                "quantity": None if item.quantity is None else str(item.quantity),
                "verdicts": item.verdicts,
            }
            for item in items(cycle)
        ],
    }
