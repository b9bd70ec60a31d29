from datetime import timedelta
from decimal import Decimal as D

import pytest

from bots.position_cards import cards
from bots.tests import rows
from ledger.models import Position
from ledger.tests import builders
from ledger.tests.builders import NOW
from ledger.valuation import marked

pytestmark = pytest.mark.django_db


def card(position, now=NOW + timedelta(minutes=30)):
    [made] = cards(marked(Position.objects.filter(pk=position.pk)), now)
    return made


@pytest.mark.requirement("UI-02")
def test_a_card_says_what_is_at_risk():
    builders.quote(price="51000")
    made = card(builders.position(stop=D(49000), target=D(52500)))
    assert made.figures.unrealised == 100
    assert made.gain == D("0.02")
    assert (made.at_stop, made.at_target) == (-100, 250)
    assert made.held_for == timedelta(minutes=30)
    assert [rung.name for rung in made.rungs] == ["liquidation", "stop", "entry", "mark", "target"]
    assert [name for name, _, _ in made.zones] == ["risk", "reward"]


def test_a_stop_beyond_entry_is_no_risk_any_more():
    builders.quote(price="51000")
    assert [name for name, _, _ in card(builders.position(stop=D(50500))).zones] == ["reward", "reward"]


def test_a_short_is_mirrored():
    builders.quote(price="49000")
    made = card(builders.position(quantity="-0.1", stop=D(51000), target=D(47000)))
    assert made.figures.unrealised == 100
    assert [rung.name for rung in made.rungs] == ["target", "mark", "entry", "stop", "liquidation"]


def test_seconds_without_a_stop_run_on():
    builders.quote()
    open_end = builders.position(unprotected_seconds=2.5, unprotected_since=NOW + timedelta(minutes=29))
    assert card(open_end).unprotected == 62.5


def test_the_plan_in_words():
    builders.quote()
    book = builders.book()
    cause = builders.intent(book)
    condition = {"kind": "close_below", "timeframe": "15m", "price": "49500"}
    rows.item(intent=cause, invalidation=condition, reason="Breakout.")
    made = card(
        builders.position(book, intent=cause, trail=D("0.02"), expires_at=NOW + timedelta(minutes=90)),
    )
    assert [words.replace("\u00a0", " ") for words in made.plan] == [
        "the stop trails the mark by 2.00 %",
        "closed at 01 May 13:30 at the latest, in 1 h",
        "out when the candle closes below 49500 (15m)",
    ]
    assert made.reason == "Breakout."


def test_a_position_nobody_planned_has_no_plan():
    builders.quote()
    made = card(builders.position(stop=None, target=None))
    assert (made.plan, made.decision, made.at_stop) == ((), None, None)
