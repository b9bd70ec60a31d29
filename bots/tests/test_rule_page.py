from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from bots.domain.rule_page import page
from bots.domain.rules import RULES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "risk-rules.md"


@pytest.mark.requirement("RSK-01")
def test_the_page_in_docs_is_what_the_rules_say():
    assert PAGE.read_text() == page(), "Write it anew: manage.py risk_rules > docs/risk-rules.md"


def test_every_rule_stands_on_it_in_order():
    places = [page().index(f"| `{rule.code}` |") for rule in RULES]
    assert places == sorted(places)


def test_the_command_prints_it():
    said = StringIO()
    call_command("risk_rules", stdout=said)
    assert said.getvalue() == page()
