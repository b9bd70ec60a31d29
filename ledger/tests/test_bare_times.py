"""Seconds without a stop: never rounded down, and told for each bot."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.bare_times import bare_times
from ledger.protection import bare_seconds
from ledger.tests.live_desk import LiveDesk
from ledger.tests.scripted import DROPPED


@pytest.mark.requirement("EXE-04")
def test_one_bad_position_in_a_hundred_is_not_hidden():
    found = bare_times([0.5] * 98 + [4.0, 9.0])
    assert (found.median, found.p99, found.longest) == (0.5, 4.0, 9.0)
    assert bare_times([]) is None


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_at_most_one_in_a_hundred_was_longer(seconds):
    found = bare_times(seconds)
    assert sum(one > found.p99 for one in seconds) <= len(seconds) / 100
    assert found.median <= found.p99 <= found.longest == max(seconds)


@pytest.mark.django_db
@pytest.mark.requirement("EXE-04")
def test_wall_time_without_a_stop_is_written_on_the_position(monkeypatch):
    desk = LiveDesk.connect(monkeypatch)
    desk.exchange.of_type["stop"] = [DROPPED]
    desk.trade(desk.draft())
    desk.wait(4, rounds=2)

    found = bare_seconds(desk.book)
    assert found.positions == 1
    assert found.longest >= 2
    assert desk.position().quantity == Decimal("0.1")
