"""`manage.py replay_decision`: a decision of a model again, with today's rules, another model or another prompt."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bots import deciders, replaying
from bots.models import Decision, PromptVersion


class Command(BaseCommand):
    help = "Show what a decision was asked and what would come of it now. Nothing is traded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("decision", metavar="ID", type=int, help="number of the decision")
        parser.add_argument("--model", default="", help="ask this decider about the same moment")
        parser.add_argument("--prompt", default="", metavar="ID", help="number of the prompt version to ask with")
        parser.add_argument("--rules", default="then", choices=("then", "today"), help="whose limits judge the answer")
        parser.add_argument("--json", action="store_true", help="one JSON object on standard output")

    def handle(self, **options: Any) -> None:
        decision = Decision.objects.filter(pk=options["decision"]).select_related("bot__policy", "cycle").first()
        if decision is None:
            raise CommandError(f"There is no decision {options['decision']}.", returncode=2)
        changes = replaying.Changes(
            options["model"], version(decision, options["prompt"]), rules_today=options["rules"] == "today"
        )
        try:
            found = replaying.replay(decision=decision, changes=changes)
        except (replaying.NotReplayable, deciders.UnknownDecider) as refusal:
            raise CommandError(str(refusal), returncode=2) from None
        self.stdout.write(json.dumps(found) if options["json"] else table(found))


def version(decision: Decision, number: str) -> PromptVersion | None:
    """The version of the decision's owner of this number; CommandError where there is none."""
    if not number:
        return None
    versions = PromptVersion.objects.of(decision.bot.owner).select_related("prompt")
    found = versions.filter(pk=number).first() if number.isdigit() else None
    if found is None:
        known = ", ".join(f"{one.pk} ({one})" for one in versions.order_by("prompt", "number")) or "none yet"
        raise CommandError(f"There is no prompt version {number!r}; there are {known}.", returncode=2)
    return found


def table(found: dict[str, Any]) -> str:
    """The replay as lines for people."""
    same = "the same question, byte for byte" if found["identical"] else "NOT the same question: candles are missing"
    lines = [f"Decision {found['decision']} of {found['at']}: {same}."]
    kept = " (known answer)" if found["cached"] else ""
    lines.append(f"{found['model']}{kept}, prompt {found['version']}, rules of {found['rules']}")
    lines += [f"  {'-' if line['kind'] == 'gone' else '+'} {line['text']}" for line in found["prompt"]]
    for item in found["items"]:
        if item["same"]:
            lines.append(f"{item['symbol']}: {told(item['then'])}, the same now")
        else:
            lines.append(f"{item['symbol']}: then {told(item['then'])}; now {told(item['now'])}")
    return "\n".join([*lines, "Nothing differs." if found["same"] else "It would not be the same now."])


def told(item: dict[str, Any] | None) -> str:
    if item is None:
        return "nothing"
    why = next((verdict["text"] for verdict in item["verdicts"] if verdict["effect"] != "allow"), "")
    return " ".join(part for part in (item["action"], item["outcome"], item["quantity"], why) if part)
