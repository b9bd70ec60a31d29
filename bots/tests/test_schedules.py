from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.models import Bot
from bots.schedules import BadCrontab, after, interval, latest, parse

pytestmark = pytest.mark.requirement("BOT-09")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("*/15 * * * *", "2026-03-02 12:15"),
        ("0 * * * *", "2026-03-02 13:00"),
        ("30 9 * * *", "2026-03-03 09:30"),
        ("0 0 * * 0", "2026-03-08 00:00"),
        ("0 12 1 * *", "2026-04-01 12:00"),
        ("5 4 29 2 *", "2028-02-29 04:05"),
        ("0 8-18/2 * * mon-fri", "2026-03-02 14:00"),
    ],
)
def test_the_next_minute_of_a_line(line, expected):
    assert f"{after(line, NOON):%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize("line", ["", "* * * *", "61 * * * *", "a b c d e", "* * * * * *"])
def test_what_is_no_line_is_refused(line):
    with pytest.raises(BadCrontab):
        parse(line)


def test_a_line_that_never_comes_round_is_refused():
    with pytest.raises(BadCrontab, match="never"):
        after("0 0 30 2 *", NOON)


def test_a_late_bot_runs_once_for_its_latest_slot():
    bot = Bot(next_run_at=NOON, interval_seconds=300)
    by_line = Bot(next_run_at=NOON, crontab="*/20 * * * *")

    assert latest(bot, NOON + timedelta(minutes=12), holding=False) == (
        NOON + timedelta(minutes=10), NOON + timedelta(minutes=15), 2
    )  # fmt: skip
    assert latest(by_line, NOON + timedelta(minutes=45), holding=False) == (
        NOON + timedelta(minutes=40), NOON + timedelta(minutes=60), 2
    )  # fmt: skip
    assert latest(by_line, NOON, holding=False) == (NOON, NOON + timedelta(minutes=20), 0)


def test_another_interval_while_it_holds_something():
    bot = Bot(interval_seconds=900, position_interval_seconds=180)

    assert interval(bot, holding=True) == timedelta(minutes=3)
    assert interval(bot, holding=False) == timedelta(minutes=15)
    assert interval(Bot(interval_seconds=900), holding=True) == timedelta(minutes=15)


@given(st.timedeltas(timedelta(days=-2000), timedelta(days=2000)), st.integers(1, 59))
def test_slots_of_a_line_are_later_minutes_of_it(away, every):
    at = NOON + away

    found = after(f"*/{every} * * * *", at)

    assert found > at
    assert found.minute % every == 0
    assert found - at <= timedelta(hours=1)
