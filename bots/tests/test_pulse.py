from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from bots.models import CycleStatus
from bots.pulse import lateness, pulse
from bots.tests import rows
from ledger import heartbeats
from ledger.tests import builders
from markets.models import FeedKind

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


def feed(**fields):
    known = {"running": True, "finished": False, "lock_step": True, "step_seconds": 60, "speed": 60.0}
    return SimpleNamespace(**known | fields)


def test_a_market_that_keeps_its_pace_is_not_late():
    assert lateness(feed(), 3.0, None, 0) == ""


@pytest.mark.requirement("UI-09")
def test_a_market_that_stands_still_is_late_in_words():
    words = lateness(feed(), 40.0, None, 0)
    assert words == "The market has not moved for 40 s; it should move every 1 s."


def test_cycles_under_way_are_waited_for():
    assert lateness(feed(), 40.0, None, 2) == ""
    assert lateness(feed(), 90.0, None, 2) != ""


def test_a_slow_feed_may_be_slow():
    assert lateness(feed(speed=1.0), 100.0, None, 0) == ""


@pytest.mark.parametrize("still", [None, feed(running=False), feed(finished=True)])
def test_what_is_not_meant_to_move_is_never_late(still):
    assert lateness(still, 9999.0, None, 0) == ""


def test_a_feed_without_prices_is_late():
    assert lateness(feed(), None, None, 0) == "No price has come yet."


def test_a_silent_guardian_is_told_on_a_live_feed():
    assert lateness(feed(lock_step=False), 1.0, None, 0).startswith("The guardian is silent")
    assert lateness(feed(lock_step=False), 1.0, 2.0, 0) == ""


@pytest.mark.django_db
def test_the_footer_of_a_running_feed(alice, bob):
    market = builders.feed(running=True, stepped_at=NOW - timedelta(seconds=2))
    bot = rows.bot(alice)
    for seconds in (5, 30, 90):
        rows.cycle(bot, ended_at=NOW - timedelta(seconds=seconds))
    rows.cycle(bot, status=CycleStatus.RUNNING, ended_at=None)
    rows.cycle(rows.bot(bob), ended_at=NOW)
    beat = pulse(user=alice, feed=market, now=NOW)
    assert (beat.last_cycle, beat.cycles_per_minute, beat.pending) == (NOW - timedelta(seconds=5), 2, 1)
    assert (beat.data_age, beat.late, beat.engine, beat.guardian) == (2.0, "", "running", "at every instant")
    assert beat.market_now == market.market_now
    assert beat.active


@pytest.mark.django_db
def test_a_live_feed_has_the_wall_clock_and_the_guardians_own_beat(alice):
    heartbeats.beat(name=heartbeats.GUARDIAN, now=NOW - timedelta(seconds=3))
    live = builders.feed("live", kind=FeedKind.LIVE, running=True)
    builders.quote(feed=live, at=NOW - timedelta(seconds=7))
    beat = pulse(user=alice, feed=live, now=NOW)
    assert (beat.market_now, beat.guardian, beat.data_age) == (NOW, "3 s ago", 7.0)


@pytest.mark.django_db
def test_without_a_feed_nothing_runs(alice):
    beat = pulse(user=alice, feed=None, now=NOW)
    assert (beat.engine, beat.guardian, beat.late) == ("stopped", "stopped", "")


@pytest.mark.django_db
def test_who_is_silent_is_said_where_the_market_stands_still(alice):
    market = builders.feed(running=True, stepped_at=NOW - timedelta(seconds=100))
    heartbeats.beat(name=heartbeats.CYCLES, now=NOW)
    assert pulse(user=alice, feed=market, now=NOW).late.endswith("the market's worker is away.")

    heartbeats.beat(name=heartbeats.DISPATCHER, now=NOW)
    assert pulse(user=alice, feed=market, now=NOW).late == (
        "The market has not moved for 100 s; it should move every 1 s."
    )
