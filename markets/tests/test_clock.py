from datetime import timedelta

import pytest

from markets.feeds import clock
from markets.models import Feed, FeedKind

from .rows import NOW

WALL = NOW + timedelta(days=500)


def feed(**fields) -> Feed:
    return Feed(**{"name": "f", "kind": FeedKind.SIMULATED, "starts_at": NOW, "market_now": NOW, **fields})


def test_lock_step_feeds_have_their_own_time():
    assert clock.now(feed(market_now=NOW + timedelta(hours=1)), WALL) == NOW + timedelta(hours=1)
    assert clock.now(feed(market_now=None), WALL) == NOW


def test_a_live_feed_has_the_time_of_the_wall():
    assert clock.now(feed(kind=FeedKind.LIVE), WALL) == WALL


def test_a_feed_without_a_start_has_no_time():
    with pytest.raises(ValueError, match="neither"):
        clock.now(feed(market_now=None, starts_at=None), WALL)


def test_the_speed_is_a_ceiling():
    assert clock.wait_for_next(feed(), WALL) == 0
    assert clock.wait_for_next(feed(stepped_at=WALL, speed=60), WALL) == 1
    assert clock.wait_for_next(feed(stepped_at=WALL - timedelta(seconds=0.25), speed=60), WALL) == 0.75
    assert clock.wait_for_next(feed(stepped_at=WALL - timedelta(seconds=9), speed=60), WALL) == 0
    assert clock.wait_for_next(feed(stepped_at=WALL, speed=60), WALL, speed=600) == pytest.approx(0.1)
