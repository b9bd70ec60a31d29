"""Each rule refuses (or cuts) a decision that breaks it, by its code; and a prompt says of limits what rules say.

A rule that is added to the list without a decision that breaks it here fails, and so does one that says nothing.
"""

import re
from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest

from bots.domain.decisions import parse
from bots.domain.judgement import judge
from bots.domain.locks import Lock
from bots.domain.policy import PRESETS, Policy
from bots.domain.prompt import render
from bots.domain.rules import RULES
from bots.forms import GROUPS
from bots.prompts import shipped
from bots.tests import builders, prompts
from bots.tests.builders import BTC, ETH, NOW, briefing, d, held, policy, portfolio, rules, view
from markets.domain.covariance import Covariance

pytestmark = pytest.mark.requirement("BOT-04")
ROOMY = policy(
    risk_per_trade=1, max_position_notional=20, max_exposure=20, max_margin_use=1, max_leverage=50,
    max_slippage="0.001", min_confidence="0.3",
)  # fmt: skip
SOUND = {"symbol": BTC, "action": "open_long", "conviction": 0.8, "risk_share": 0.001, "stop": 97, "target": 110}


def told(*views, item=None, policy_=ROOMY, **fields):
    """A briefing, and a raw item that is sound but for what the case is about."""
    return briefing(*views, policy_=policy_, timeframes=("5m",), **fields), SOUND | (item or {})


LOCK = Lock("stop_guard", NOW + timedelta(minutes=1), "Three stops.", limit=d(3), value=d(3))


def paying(rate):
    """A market in which longs pay this much at each funding."""
    seen = view()
    return replace(seen, quote=replace(seen.quote, funding_rate=d(rate)))


BREAKING = {
    "trading_state": lambda: told(state="halted"),
    "locked": lambda: told(locks=(LOCK,)),
    "safe_mode": lambda: told(safe_mode=True),
    "instrument_blocked": lambda: told(portfolio_=portfolio(blocked={BTC: "an order of unknown fate"})),
    "stale_data": lambda: told(view(age=181)),
    "confidence": lambda: told(item={"conviction": 0.29}),
    "price_band": lambda: told(item={"limit": 80, "stop": 75}),
    "spread": lambda: told(view(spread="0.02"), policy_=replace(ROOMY, max_spread=d("0.001"))),
    "funding": lambda: told(paying("0.01")),
    "stop_missing": lambda: told(item={"stop": None}),
    "stop_side": lambda: told(item={"stop": 101}),
    "target_side": lambda: told(item={"target": 99}),
    "stop_distance": lambda: told(item={"stop": 80}),
    "reward_to_risk": lambda: told(item={"target": 101}),
    "already_invalid": lambda: told(
        view(series={"5m": [99, 100]}),
        item={"invalidation": {"kind": "close_below", "timeframe": "5m", "price": 105}},
    ),
    "leverage": lambda: told(item={"leverage": 51}),
    "open_positions": lambda: told(
        policy_=replace(ROOMY, max_positions=1), portfolio_=portfolio(held(ETH))
    ),
    "market_impact": lambda: told(
        view(rules_=rules(half_spread=d("0.0005"), impact=d("0.01")), liquidity=1), item={"risk_share": 1}
    ),
    "risk_per_trade": lambda: told(
        policy_=replace(ROOMY, risk_per_trade=d("0.001")), item={"action": "add", "risk_share": 1},
        portfolio_=portfolio(held(stop=97)),
    ),
    "position_notional": lambda: told(policy_=replace(ROOMY, max_position_notional=d("0.01")), item={"risk_share": 1}),
    "total_exposure": lambda: told(policy_=replace(ROOMY, max_exposure=d("0.01")), item={"risk_share": 1}),
    "account_exposure": lambda: told(
        account_exposure=d(0), account_equity=d(10_000), account_max_exposure=d("0.01"), item={"risk_share": 1}
    ),
    "depth": lambda: told(
        view(liquidity=2_000), policy_=replace(ROOMY, max_depth_share=d("0.01")), item={"risk_share": 1}
    ),
    "side_exposure": lambda: told(policy_=replace(ROOMY, max_side_exposure=d("0.01")), item={"risk_share": 1}),
    "user_exposure": lambda: told(
        user_exposure=d(0), user_equity=d(10_000), user_max_exposure=d("0.01"), item={"risk_share": 1}
    ),
    "portfolio_volatility": lambda: told(
        policy_=replace(ROOMY, max_volatility=d("0.001")), covariance=Covariance((BTC,), np.array([[0.0004]])),
        item={"risk_share": 1},
    ),
    "margin_use": lambda: told(
        policy_=replace(ROOMY, max_margin_use=d("0.01")), item={"risk_share": 1, "leverage": 1}
    ),
    "available_cash": lambda: told(
        # An open profit is equity, but pays for no margin.
        portfolio_=portfolio(held(ETH, quantity=50, mark=200, leverage=1)), item={"risk_share": 1, "leverage": 1}
    ),
    "venue_limits": lambda: told(view(rules_=rules(max_quantity=d(2))), item={"risk_share": 1}),
    "liquidation_before_stop": lambda: told(
        item={"leverage": 40, "stop": 97, "risk_share": 0.01}
    ),
    "minimum_quantity": lambda: told(view(rules_=rules(min_quantity=d(5))), item={"risk_share": 0.0001}),
    "minimum_notional": lambda: told(policy_=replace(ROOMY, min_notional=d(9_000))),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_decision_that_breaks_the_rule_is_refused_or_cut_by_its_code(rule):
    told_to, item = BREAKING[rule.code]()

    answer = parse({"summary": "", "items": [item]}, known=told_to.symbols, timeframes=told_to.timeframes)
    [judged] = judge(told_to, answer).items

    fired = [verdict for verdict in judged.verdicts if verdict.effect != "allow"]
    assert rule.code in [verdict.code for verdict in fired], fired
    assert judged.outcome in ("refused", "shrunk")


def test_the_sound_decision_that_all_these_start_from_is_planned():
    told_to, item = told()
    answer = parse({"items": [item]}, known=told_to.symbols, timeframes=told_to.timeframes)

    assert [judged.outcome for judged in judge(told_to, answer).items] == ["planned"]


def test_no_decision_stands_for_a_rule_that_is_not_there():
    assert set(BREAKING) == {rule.code for rule in RULES}


def limits_in(prompt) -> list[str]:
    """The lines of the prompt that state limits."""
    [section] = [part for part in prompt.system.split("\n\n") if part.startswith("Limits of entries")]
    return section.splitlines()[1:]


@pytest.mark.parametrize("preset", PRESETS)
def test_each_sentence_about_limits_is_a_rules_own(preset):
    given = prompts.six(policy_=PRESETS[preset])

    assert limits_in(render(given, shipped("standard"))) == [rule.told(PRESETS[preset]) for rule in RULES]
    assert all(rule.told(PRESETS[preset]) for rule in RULES)


def test_nothing_but_the_rules_sentences_depends_on_the_policy():
    """So no number of a limit can be said elsewhere, where no rule would stand behind it."""
    cautious, bold = (render(prompts.six(policy_=PRESETS[name]), shipped("standard")) for name in ("cautious", "bold"))

    assert limits_in(cautious) != limits_in(bold)
    for prompt in (cautious, bold):
        rest = prompt.system.replace("\n".join(limits_in(prompt)), "")
        assert rest == bold.system.replace("\n".join(limits_in(bold)), "")
    assert cautious.user == bold.user


# What begins a lock limits no entry: a model is told the locks that hold, and that they do.
LOCKING = set(GROUPS["Locks"])
LIMITS = [field.name for field in fields(Policy)][2:]
LIMITS = [name for name in LIMITS if name not in LOCKING]


@pytest.mark.parametrize("limit", LIMITS)
def test_every_limit_of_a_policy_is_told_by_a_rule(limit):
    before = PRESETS["balanced"]
    after = replace(before, **{limit: getattr(before, limit) * 2})

    assert [rule.told(before) for rule in RULES] != [rule.told(after) for rule in RULES]


def test_a_model_is_told_the_locks_that_hold():
    told_to, _ = told(locks=(LOCK, replace(LOCK, until=NOW), replace(LOCK, symbol=BTC, side="long")))

    user = render(told_to, shipped("standard")).user

    assert user.count("locked ") == 2
    assert "locked all for 1m: Three stops." in user
    assert "locked BTC long for 1m: Three stops." in user


@pytest.mark.parametrize("name", ["standard", "emergency"])
def test_the_wording_that_ships_claims_no_limit(name):
    assert not re.search(r"\d", shipped(name).text)


def test_a_stale_briefing_is_not_judged_by_another_clock():
    """The time of the judgement is that of the briefing: replayed tomorrow, it is as late as it was."""
    told_to, item = told(view(age=10, now=NOW - timedelta(days=30)), now=NOW - timedelta(days=30))
    answer = parse({"items": [item]}, known=told_to.symbols, timeframes=told_to.timeframes)

    assert [judged.outcome for judged in judge(told_to, answer).items] == ["planned"]


def test_builders_stay_sound():
    assert builders.policy().name == "balanced"
