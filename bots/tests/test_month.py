"""The same seed and the same answers give the same decisions, byte for byte, over a month of real candles."""

import hashlib
import json
from datetime import timedelta
from decimal import Decimal

import pytest

from bench import month
from bots import deciders
from bots.domain.triggers import Gate, Thresholds

pytestmark = pytest.mark.requirement("BOT-09")
COINS = ("BTC", "ETH", "LTC")


def digest(decided) -> str:
    text = json.dumps([one.as_json() for one in decided], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.slow
def test_a_month_of_decisions_is_the_same_byte_for_byte(market_data):
    """The second walk gets no strategy, only the texts of the answers by the digest of the question."""
    answers, trend = {}, deciders.get("house:trend")

    def asked(told, prompt):
        raw = trend.decide(told)
        answers[prompt.digest] = json.dumps(raw)
        return raw

    first = list(month.walk(month.load(market_data, COINS), asked))
    again = list(month.walk(month.load(market_data, COINS), lambda _, prompt: json.loads(answers[prompt.digest])))

    assert len(first) == 29 * 24 * 20
    assert digest(first) == digest(again)
    gates = [one.weighed.gate for one in first]
    assert gates.count(Gate.SKIPPED) > len(gates) // 2
    assert gates.count(Gate.SHADOW) > 100
    assert sum(one.wanted for one in first) > 100


def test_another_seed_draws_other_shadows(market_data):
    market, trend = month.load(market_data, ("BTC",)), deciders.get("house:trend")

    def gates(seed):
        limits = Thresholds(shadow=Decimal("0.2"))
        until = month.WARM + timedelta(hours=12)
        walked = month.walk(
            market, lambda told, _: trend.decide(told), start=month.WARM, end=until, thresholds=limits, seed=seed
        )
        return [one.weighed.gate for one in walked]

    assert gates(1) == gates(1)
    assert gates(1) != gates(2)


def test_real_candles_stay_within_the_budget_of_tokens(market_data):
    """Six instruments of a real market, on five days of it."""
    from bots.tests import prompts

    market, trend = month.load(market_data), deciders.get("house:trend")
    counts = []

    def asked(told, prompt):
        if len(told.portfolio.positions) <= 3:
            counts.append(prompts.counted(prompt.system) + prompts.counted(prompt.user))
        return trend.decide(told)

    for day in range(0, 20, 4):
        start = month.WARM + timedelta(days=day)
        list(month.walk(market, asked, start=start, end=start + timedelta(minutes=90)))

    assert max(counts) <= 2_500
