"""When a moment is worth a question: each trigger fires where it should and not just beside it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.exit_plan import CloseBelow
from bots.domain.story import Story
from bots.domain.triggers import Gate, Memory, Thresholds, memory, weigh
from bots.tests import builders
from bots.tests.builders import BTC, ETH, NOW, d

pytestmark = pytest.mark.requirement("BOT-09")
FRAMES = ("5m", "15m", "1h")
CALM = {timeframe: [100 + (i % 2) * 0.1 for i in range(300)] for timeframe in FRAMES}
QUIET = Thresholds(shadow=Decimal(0))
MINUTES = timedelta(minutes=5)


def moment(*positions, price=100, now=NOW + MINUTES, series=None, **fields):
    view = builders.view(price, series=series or CALM, now=now, **fields.pop("quoted", {}))
    if (funding := fields.pop("funding", None)) is not None:
        rate, due = funding
        view = replace(view, quote=replace(view.quote, funding_rate=d(rate), next_funding_at=due))
    return builders.briefing(
        view, timeframes=FRAMES, now=now, portfolio_=builders.portfolio(*positions), **fields
    )  # fmt: skip


def last(*positions, at=NOW, **fields) -> Memory:
    return memory(moment(*positions, now=at, **fields))


def test_a_quiet_moment_is_skipped_and_says_so():
    weighed = weigh(moment(), last(), QUIET)

    assert (weighed.gate, weighed.code) == (Gate.SKIPPED, "quiet")
    assert weighed.text == "Nothing near, nothing changed since 12:00."
    assert not weighed.asks


def test_the_first_moment_is_asked():
    assert weigh(moment(), None, QUIET).code == "first"


def test_silence_has_an_end():
    since = NOW + MINUTES - timedelta(minutes=60)

    assert weigh(moment(), last(at=since), QUIET).code == "time_cap"
    assert weigh(moment(), last(), replace(QUIET, cap=timedelta(0))).code == "time_cap"
    assert weigh(moment(), last(), replace(QUIET, cap=timedelta(minutes=6))).gate == Gate.SKIPPED


def test_a_position_that_changed_is_asked_about():
    held = builders.held(quantity=1)

    assert weigh(moment(held), last(), QUIET).code == "position_changed"
    assert weigh(moment(), last(held), QUIET).code == "position_changed"
    assert weigh(moment(held), last(builders.held(quantity=2)), QUIET).code == "position_changed"
    assert weigh(moment(held), last(held), QUIET).gate == Gate.SKIPPED


@pytest.mark.parametrize("level", ["stop", "target"])
def test_a_level_of_the_plan_that_is_near_is_asked_about(level):
    # The candles of CALM are 0.3 wide.
    near, far = builders.held(**{level: "100.2"}), builders.held(**{level: "101"})

    weighed = weigh(moment(near), last(near), QUIET)

    assert weighed.code == "level_near"
    assert f"its {level} 100.2" in weighed.text
    assert weigh(moment(far), last(far), QUIET).gate == Gate.SKIPPED


def test_an_invalidation_that_is_near_is_asked_about():
    held = builders.held()
    waiting = Story(conditions={BTC: CloseBelow("15m", d("99.9"))})

    assert weigh(moment(held, story=waiting), last(held), QUIET).code == "level_near"


def test_a_price_that_moved_is_asked_about():
    moved = weigh(moment(price=102), last(), QUIET)

    assert moved.code == "volatility"
    assert weigh(moment(price="100.2"), last(), QUIET).gate == Gate.SKIPPED


def test_an_indicator_that_changed_its_state_is_asked_about():
    rising = {timeframe: [100 * 1.001**i for i in range(300)] for timeframe in FRAMES}
    falling = {timeframe: [100 * 0.999**i for i in range(300)] for timeframe in FRAMES}
    before = replace(last(series=falling), prices={})

    weighed = weigh(moment(series=rising), before, QUIET)

    assert weighed.code == "indicator_changed"
    assert "trend of 15m went from down to up" in weighed.text


def test_funding_of_a_position_is_asked_about_once():
    held, due = builders.held(), NOW + timedelta(minutes=14)
    funding = ("0.0001", due)

    assert weigh(moment(held, funding=funding), last(held), QUIET).code == "funding_near"
    assert weigh(moment(funding=funding), last(), QUIET).gate == Gate.SKIPPED
    asked = last(held, at=NOW + MINUTES, funding=funding)
    later = NOW + timedelta(minutes=8)
    assert weigh(moment(held, now=later, funding=funding), asked, QUIET).gate == Gate.SKIPPED


def test_a_new_candle_of_the_coarsest_timeframe_is_asked_about():
    weighed = weigh(moment(), last(at=NOW - MINUTES), QUIET)

    assert weighed.code == "new_candle"
    assert weighed.text == "A 1h candle closed at 12:00."


def test_what_is_urgent_is_always_asked():
    assert weigh(moment(), last(), QUIET, urgent="A person asked.").text == "A person asked."


def test_shadows_follow_from_seed_and_slot():
    def drawn(seed):
        shares = replace(QUIET, shadow=Decimal("0.2"))
        return [weigh(moment(seed=seed, slot_index=slot), last(), shares).gate for slot in range(300)]

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    assert 30 < first.count(Gate.SHADOW) < 90
    assert set(first) == {Gate.SHADOW, Gate.SKIPPED}


def test_without_candles_nothing_breaks():
    bare = builders.briefing(builders.view(), timeframes=FRAMES, now=NOW)

    assert weigh(bare, memory(bare), QUIET).gate == Gate.SKIPPED


@given(st.floats(1, 1e6), st.text(max_size=20), st.integers(0, 10**6))
def test_memory_comes_back_as_it_was(price, symbol, minutes):
    given_ = Memory(NOW + timedelta(minutes=minutes), {symbol: "1.5"}, {ETH: price}, {symbol: "up"})

    assert Memory.of_json(given_.as_json()) == given_
