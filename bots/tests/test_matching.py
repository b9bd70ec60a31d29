"""Lots that match a bot of the ledger: its closed trades make the chances."""

from datetime import timedelta

import pytest

from bots import deciders, deciding, matching
from bots.leaderboard import standings
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW
from markets.models import Feed

pytestmark = pytest.mark.django_db


@pytest.fixture
def trend(alice):
    """A bot that within 100 hours held two longs and a short for ten hours together."""
    made = rows.bot(alice, name="Trend")
    builders.equity_point(made.book, at=NOW)
    for hours, long in ((1, True), (4, True), (5, False)):
        builders.closed_position(made.book, "10", long=long, opened_at=NOW, closed_at=NOW + timedelta(hours=hours))
    Feed.objects.update(market_now=NOW + timedelta(hours=100))
    return made


@pytest.mark.requirement("BOT-11")
def test_the_lots_of_a_bot_are_as_frequent_as_the_trades_of_another(alice, trend):
    bot = rows.bot(alice, name="Luck", decider="house:random_like@Trend", interval_seconds=600)

    found = deciding.decider_of(bot)

    assert found.name == "house:random_like"
    assert found.exit_chance == pytest.approx(3 / 60)
    assert found.entry_chance == pytest.approx(3 / 540)
    assert found.long_share == pytest.approx(2 / 3)


def test_a_bot_without_trades_is_matched_by_waiting(alice):
    rows.bot(alice, name="New")
    bot = rows.bot(alice, name="Luck", decider="house:random_like@New")

    assert deciding.decider_of(bot).entry_chance == 0


def test_a_bot_that_is_not_there_or_not_mine_cannot_be_matched(alice, bob, trend):
    for owner, name in ((bob, "Trend"), (alice, "Nobody")):
        bot = rows.bot(owner, decider=f"house:random_like@{name}")
        with pytest.raises(deciders.UnknownDecider, match="no other bot named"):
            matching.decider(bot)


def test_each_bot_is_offered_to_be_matched(alice, trend):
    bot = rows.bot(alice, name="Luck")

    assert ("house:random_like@Trend", "house:random_like@Trend") in deciding.choices(bot)


def test_baselines_are_marked_on_the_leaderboard(client, alice, trend):
    rows.bot(alice, name="Luck", decider="house:random_like@Trend")
    client.force_login(alice)

    assert {line.bot.name: line.baseline for line in standings(trend.owner.bots.select_related("book"))} == {
        "Trend": False, "Luck": True,
    }  # fmt: skip
    assert client.get("/leaderboard/").content.decode().count("· baseline") == 1


def test_within_the_first_slot_of_another_lots_wait(alice, trend):
    Feed.objects.update(market_now=NOW + timedelta(hours=6))
    bot = rows.bot(alice, name="Luck", decider="house:random_like@Trend", interval_seconds=12 * 3600)

    assert deciding.decider_of(bot).entry_chance == 0
