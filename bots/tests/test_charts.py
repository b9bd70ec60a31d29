from datetime import timedelta

import pytest

from bots import charts
from bots.leaderboard import standings
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db
SECOND = int(NOW.timestamp())


def bot(alice, *equities, start=0):
    made = rows.bot(alice)
    for minute, equity in enumerate(equities, start):
        builders.equity_point(made.book, str(equity), at=NOW + timedelta(minutes=minute))
    return made


@pytest.mark.requirement("UI-01")
def test_the_race_has_one_axis_for_all(alice):
    early, late = bot(alice, 10000, 10100), bot(alice, 9900, 10000, start=1)
    race = charts.race(standings([early, late]))
    assert race["times"] == [SECOND, SECOND + 60, SECOND + 120]
    assert [line["values"] for line in race["series"]] == [[0, 1, None], [None, -1, 0]]
    assert (race["since"], race["until"]) == (None, (SECOND + 120) * 1000)


def test_only_what_is_as_new_is_given_to_who_has_the_rest(alice):
    race = charts.race(standings([bot(alice, 10000, 10100, 10200)]), since=str((SECOND + 60) * 1000))
    assert race["times"] == [SECOND + 60, SECOND + 120]
    assert race["since"] == (SECOND + 60) * 1000


@pytest.mark.parametrize("nonsense", ["", "x", "-1", "²"])
def test_a_since_that_is_no_time_means_all(alice, nonsense):
    assert charts.race(standings([bot(alice, 10000)]), since=nonsense)["since"] is None


def test_entries_and_exits_are_marked(alice):
    one = bot(alice, 10000)
    builders.quote()
    builders.position(one.book, opened_at=NOW)
    builders.closed_position(one.book, "-12.5", closed_at=NOW + timedelta(minutes=9), exit_reason="stop")
    [line] = standings([one])
    marks = charts.equity(line)["marks"]
    assert [(mark["kind"], mark["text"]) for mark in marks] == [
        ("long", "Opened long BTC"),
        ("loss", "Closed long BTC: −12.50 (stop)"),
        ("long", "Opened long BTC"),
    ]
    later = charts.equity(line, since=str((SECOND + 60) * 1000))["marks"]
    assert [mark["kind"] for mark in later] == ["loss"]


def test_no_bots_no_race():
    assert charts.race([]) == {"since": None, "until": None, "times": [], "series": []}
