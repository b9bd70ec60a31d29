from decimal import Decimal as D

import pytest

from bots.domain.decisions import parse
from bots.domain.judgement import judge
from bots.domain.rules import RULES
from bots.domain.what_if import LEAST, MOST, Told, counted, told
from bots.tests.builders import BTC, briefing, held, policy, portfolio

pytestmark = pytest.mark.requirement("RSK-08")
LONG = {"symbol": BTC, "action": "open_long", "conviction": 0.7, "stop": 95, "target": 112}


def stored(item=LONG, **limits):
    """The verdicts on an entry as they are stored, judged under these limits."""
    at = briefing(policy_=policy(**limits))
    [judged] = judge(at, parse({"summary": "", "items": [item]}, known=at.symbols)).items
    return [verdict.as_json() for verdict in judged.verdicts]


def test_the_same_policy_says_the_same():
    assert told(stored(), policy()) == Told("passed")
    assert told(stored(min_confidence="0.8"), policy(min_confidence="0.8")) == Told("refused", "confidence")
    assert told(stored(), policy(min_confidence="0.7")) == Told("passed")


def test_a_stricter_policy_refuses_or_cuts():
    assert told(stored(), policy(min_confidence="0.71")) == Told("refused", "confidence")
    assert told(stored(), policy(min_stop_distance="0.06")) == Told("refused", "stop_distance")
    assert told(stored(), policy(max_stop_distance="0.05")) == Told("refused", "stop_distance")
    assert told(stored(), policy(risk_per_trade="0.005")) == Told("cut", "risk_per_trade")
    assert told(stored(), policy(risk_per_trade="0.005", max_exposure="0.1")) == Told("cut", "risk_per_trade")


def test_a_looser_policy_leaves_open_what_was_never_asked():
    assert told(stored(min_confidence="0.8"), policy()) == Told("open", "confidence")


def test_what_no_policy_changes_stays_refused():
    assert told(stored(LONG | {"stop": 101}), policy("bold")) == Told("refused", "stop_side")


def test_every_rule_with_a_limit_of_the_policy_is_compared():
    named = {rule.code for rule in RULES if rule.limit(policy())}
    assert named - {"liquidation_before_stop"} == set(LEAST) | set(MOST)


def test_they_are_counted_by_outcome():
    assert counted([Told("passed"), Told("cut", "a"), Told("passed")]) == {
        "passed": 2, "cut": 1, "refused": 0, "open": 0,
    }  # fmt: skip


def test_a_book_that_holds_already_is_judged_with_it():
    at = briefing(portfolio_=portfolio(held(quantity=10, stop=95)))
    item = {"symbol": BTC, "action": "add", "conviction": 0.7, "risk_share": 0.1}
    [judged] = judge(at, parse({"summary": "", "items": [item]}, known=at.symbols)).items
    verdicts = [verdict.as_json() for verdict in judged.verdicts]
    assert told(verdicts, policy(max_position_notional=D("0.01"))).code in ("position_notional", "risk_per_trade")
