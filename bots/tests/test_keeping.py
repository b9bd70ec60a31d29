"""A briefing kept as JSON is the briefing again, to the last digit."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from bots.domain.briefing import Briefing
from bots.domain.exit_plan import IndicatorAbove
from bots.domain.keeping import as_json, of_json
from bots.domain.policy import PRESETS, Policy
from bots.tests import builders, prompts
from markets.domain.covariance import Covariance
from markets.domain.snapshot import Snapshot

pytestmark = pytest.mark.requirement("BOT-10")


def bare(briefing: Briefing) -> Briefing:
    return replace(briefing, snapshot=Snapshot(briefing.now, {}))


def test_a_briefing_comes_back_as_it_was():
    story = replace(prompts.story(), conditions={"BTC": IndicatorAbove("5m", "rsi_14", Decimal("70.5"))})
    book = builders.portfolio(builders.held(trail="0.0200"), pending=(builders.pending(),), blocked={"ETH": "why"})
    given = bare(prompts.six(story=story, portfolio_=book, account_equity=Decimal("1E+4")))

    assert of_json(Briefing, json.loads(json.dumps(as_json(given)))) == given


def test_how_instruments_move_together_comes_back():
    known = Covariance(("BTC", "ETH"), np.array([[0.0004, 1 / 3], [1 / 3, 0.0009]]))

    back = of_json(Briefing, json.loads(json.dumps(as_json(bare(prompts.six(covariance=known))))))

    assert back.covariance.symbols == known.symbols
    assert (back.covariance.matrix == known.matrix).all()


def test_not_a_digit_is_lost():
    policy = replace(PRESETS["bold"], risk_per_trade=Decimal("0.010000000000000000001"), min_notional=Decimal("10.00"))

    back = of_json(Policy, json.loads(json.dumps(as_json(policy))))

    assert str(back.risk_per_trade) == "0.010000000000000000001"
    assert str(back.min_notional) == "10.00"


def test_rules_and_quotes_of_an_instrument_come_back():
    view = prompts.coin("DOGE")

    assert of_json(type(view.rules), json.loads(json.dumps(as_json(view.rules)))) == view.rules
    assert of_json(type(view.quote), json.loads(json.dumps(as_json(view.quote)))) == view.quote


def test_a_field_that_is_newer_than_what_was_kept_takes_its_default():
    raw = as_json(bare(prompts.six()))
    del raw["open_interest"]

    assert of_json(Briefing, raw).open_interest == {}


def test_what_is_no_value_is_refused():
    with pytest.raises(TypeError, match="object"):
        as_json(object())
    with pytest.raises(TypeError):
        of_json(int, "seven")
    with pytest.raises(ValueError, match="isoformat"):
        of_json(datetime, "yesterday")
    assert of_json(datetime, "2026-01-01T00:00:00+00:00") == datetime(2026, 1, 1, tzinfo=UTC)
