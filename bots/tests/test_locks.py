"""Every protection, once where it locks and once where it just does not; what it locks, and until when."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.domain.locks import PROTECTIONS, Ended, Facts, Lock, locks, look_back
from bots.domain.policy import PRESETS
from bots.tests.builders import BTC, ETH, NOW, d, policy

pytestmark = pytest.mark.requirement("RSK-03")
OFF = policy(
    cooldown_minutes=0, stop_guard_count=0, stop_guard_instrument_count=0, low_profit_count=0, low_profit=0,
    max_drawdown="0", max_daily_loss="0", max_trades_per_day=0, max_loss_streak=0, max_failures=0,
    lock_look_back_minutes=600, lock_minutes=60,
)  # fmt: skip
MIDNIGHT = NOW.replace(hour=0, minute=0)


def ended(minutes, net=-10, *, symbol=BTC, long=True, reason="stop", value=1000) -> Ended:
    """A position that closed so many minutes ago."""
    return Ended(symbol, long, d(net), d(value), reason, NOW - timedelta(minutes=minutes))


def found(*ones, equity=10_000, **fields) -> tuple[Lock, ...]:
    """The locks of a book with these closed positions, under these limits alone."""
    facts = {
        name: fields.pop(name) for name in ("opened", "day_start", "peak", "failures", "failed_at") if name in fields
    }
    ones = tuple(sorted(ones, key=lambda one: one.at))
    return locks(Facts(NOW, d(equity), ones, **facts), replace(OFF, **fields))


def test_nothing_locks_where_everything_is_off():
    assert found(*(ended(n) for n in range(20)), equity=1, day_start=d(10_000), peak=d(10_000), failures=9) == ()


def test_cooldown_rests_the_instrument_that_closed_last():
    [lock] = found(ended(9, 50, reason="target"), ended(12, symbol=ETH), cooldown_minutes=10)
    assert (lock.kind, lock.symbol, lock.side, lock.until) == ("cooldown", BTC, "", NOW + timedelta(minutes=1))
    assert found(ended(10), cooldown_minutes=10) == ()


def test_stop_guard_counts_losing_stops_of_the_look_back():
    stops = [ended(20), ended(30, symbol=ETH), ended(599, long=False)]
    [lock] = found(*stops, stop_guard_count=3)
    assert (lock.kind, lock.symbol, lock.side) == ("stop_guard", "", "")
    assert lock.until == NOW + timedelta(minutes=40)
    assert (lock.limit, lock.value) == (3, 3)
    assert found(*stops, stop_guard_count=4) == ()
    assert found(ended(20), ended(30), ended(601), stop_guard_count=3) == ()


def test_stop_guard_does_not_count_gains_targets_and_exits():
    others = [ended(20), ended(30, 5), ended(40, reason="target"), ended(50, reason="decision")]
    assert found(*others, stop_guard_count=2) == ()
    assert len(found(*others, ended(25, reason="liquidation"), stop_guard_count=2)) == 1


def test_stop_guard_of_one_side_of_one_instrument():
    stops = [ended(20), ended(30), ended(35, long=False), ended(40, symbol=ETH)]
    [lock] = found(*stops, stop_guard_instrument_count=2)
    assert (lock.symbol, lock.side, lock.until) == (BTC, "long", NOW + timedelta(minutes=40))
    assert found(*stops, stop_guard_instrument_count=3) == ()


def test_low_profit_locks_the_instrument_that_brings_too_little():
    ones = [ended(20, 3), ended(30, -2), ended(40, -1, symbol=ETH)]
    [lock] = found(*ones, low_profit_count=2, low_profit=d("0.0011"))
    assert (lock.kind, lock.symbol, lock.value) == ("low_profit", BTC, d("0.001"))
    assert found(*ones, low_profit_count=2, low_profit=d("0.001")) == ()
    assert found(*ones, low_profit_count=3, low_profit=d("0.5")) == ()


def test_drawdown_holds_a_locks_time_from_the_last_close_or_until_tomorrow():
    [lock] = found(ended(20), equity=9000, peak=d(10_000), max_drawdown=d("0.1"))
    assert (lock.kind, lock.until, lock.value) == ("drawdown", NOW + timedelta(minutes=40), d("0.1"))
    [lock] = found(equity=9000, peak=d(10_000), max_drawdown=d("0.1"))
    assert lock.until == MIDNIGHT + timedelta(days=1)
    assert found(equity="9000.01", peak=d(10_000), max_drawdown=d("0.1")) == ()
    assert found(equity=9000, max_drawdown=d("0.1")) == ()


def test_daily_loss_locks_until_midnight():
    [lock] = found(equity=9500, day_start=d(10_000), max_daily_loss=d("0.05"))
    assert (lock.kind, lock.until) == ("daily_loss", MIDNIGHT + timedelta(days=1))
    assert found(equity="9500.01", day_start=d(10_000), max_daily_loss=d("0.05")) == ()
    assert found(equity=9500, max_daily_loss=d("0.05")) == ()


def test_trades_per_day_counts_what_closed_today_and_what_opened_today():
    opened = (NOW - timedelta(hours=1), MIDNIGHT - timedelta(minutes=1))
    [lock] = found(ended(20), ended(719), opened=opened, max_trades_per_day=3)
    assert (lock.kind, lock.value, lock.until) == ("trades_per_day", 3, MIDNIGHT + timedelta(days=1))
    assert found(ended(20), ended(721), opened=opened, max_trades_per_day=3) == ()


def test_loss_streak_ends_with_a_gain():
    losses = [ended(20), ended(30), ended(40)]
    [lock] = found(*losses, max_loss_streak=3)
    assert (lock.kind, lock.until) == ("loss_streak", NOW + timedelta(minutes=40))
    assert found(*losses, max_loss_streak=4) == ()
    assert found(ended(10, 1), *losses, max_loss_streak=3) == ()


@pytest.mark.requirement("RSK-03")
def test_refused_entries_end_in_a_lock_and_not_in_a_loop():
    refused = [ended(5, 0, reason="refused"), ended(59, 0, reason="refused")]
    [lock] = found(*refused)
    assert (lock.kind, lock.symbol, lock.until) == ("refused_entries", BTC, NOW + timedelta(minutes=55))
    assert found(refused[0], ended(61, 0, reason="refused")) == ()
    assert found(refused[0], ended(5, 0, symbol=ETH, reason="refused")) == ()


@pytest.mark.parametrize("reason", ["refused", "not filled"])
def test_an_entry_that_never_filled_is_no_trade(reason):
    assert found(ended(5, 0, reason=reason), cooldown_minutes=10) == ()
    assert found(ended(5, 0, reason=reason), max_trades_per_day=1) == ()
    # It neither lengthens a row of losses nor ends it.
    lost = ended(9, -1)
    assert found(lost, ended(7, 0, reason=reason), ended(5, -1), max_loss_streak=3) == ()
    assert [lock.kind for lock in found(lost, ended(7, 0, reason=reason), ended(5, -1), max_loss_streak=2)] == [
        "loss_streak"
    ]


def test_failures_lock_from_the_last_of_them():
    failed = NOW - timedelta(minutes=10)
    [lock] = found(failures=3, failed_at=failed, max_failures=3)
    assert (lock.kind, lock.until) == ("failures", failed + timedelta(minutes=60))
    assert found(failures=2, failed_at=failed, max_failures=3) == ()


def test_a_lock_whose_time_has_come_is_none():
    assert found(*(ended(60 + n) for n in range(5)), max_loss_streak=2) == ()
    assert len(found(*(ended(59 + n) for n in range(5)), max_loss_streak=2)) == 1


def test_the_look_back_covers_today_and_the_hour_of_refusals():
    assert look_back(replace(OFF, lock_look_back_minutes=1), NOW) == MIDNIGHT
    assert look_back(replace(OFF, lock_look_back_minutes=1), MIDNIGHT) == MIDNIGHT - timedelta(hours=1)
    assert look_back(OFF, MIDNIGHT) == MIDNIGHT - timedelta(hours=10)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_say_what_locks(preset):
    said = {one.kind: one.meaning.format(limit=one.limit(PRESETS[preset])) for one in PROTECTIONS}
    assert all(text.endswith(".") for text in said.values())
    assert said["daily_loss"].startswith({"cautious": "2 %", "balanced": "5 %", "bold": "10 %"}[preset])


def test_every_protection_has_a_test_here():
    source = Path(__file__).read_text()
    assert all(f'"{one.kind}"' in source for one in PROTECTIONS)


moments = st.lists(st.tuples(st.integers(1, 700), st.integers(-50, 50), st.booleans(), st.booleans()), max_size=30)


@given(moments, st.integers(0, 50))
def test_looking_later_finds_the_same_lock_or_none(rows, later):
    """The end follows from what happened: two looks at the same past never give two ends for one kind."""
    ones = tuple(sorted(
        (ended(m, net, symbol=BTC if btc else ETH, long=long) for m, net, btc, long in rows), key=lambda one: one.at
    ))  # fmt: skip
    limits = replace(OFF, cooldown_minutes=30, stop_guard_count=2, stop_guard_instrument_count=2, max_loss_streak=2,
                     low_profit_count=2, lock_look_back_minutes=1000)  # fmt: skip
    now = {(one.kind, one.symbol, one.side): one.until for one in locks(Facts(NOW, Decimal(1), ones), limits)}
    then = locks(Facts(NOW + timedelta(minutes=later), Decimal(1), ones), limits)
    for one in then:
        assert now[one.kind, one.symbol, one.side] == one.until
