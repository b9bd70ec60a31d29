"""`manage.py risk_rules`: the page of docs that lists every risk rule with its default limits."""

from typing import Any

from django.core.management.base import BaseCommand

from bots.domain.rule_page import page


class Command(BaseCommand):
    help = "Prints docs/risk-rules.md: every risk rule with its code, its meaning and the limits of the presets."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(page(), ending="")
