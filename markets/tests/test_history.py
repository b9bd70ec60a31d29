import re
from datetime import timedelta
from threading import Thread

import numpy as np
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import history, snapshots
from markets.domain import windows
from markets.domain.candles import TIMEFRAMES, Candles, instant, resample
from markets.models import Candle, candle_reads

from . import rows, samples

pytestmark = pytest.mark.django_db

MINUTE = TIMEFRAMES["1m"]
LONG = samples.candles(1200, "5m")
NOW = instant(int(LONG.time[1000]))
SECOND = timedelta(seconds=1)


@pytest.fixture
def bitcoin():
    return rows.instrument()


@pytest.fixture
def ether():
    return rows.instrument("ETH/USDT:USDT")


def keep(instrument, candles, timeframe="5m"):
    return history.store(instrument=instrument, timeframe=timeframe, candles=candles)


def window(instrument, now=NOW, timeframe="5m"):
    return history.series([instrument], [timeframe], now)[instrument.pk, timeframe]


def same(one: Candles, other: Candles) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.columns(), other.columns(), strict=True))


# --- Storing -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-04")
def test_stored_candles_come_back_to_the_last_digit(bitcoin):
    assert keep(bitcoin, LONG) == history.Stored(stored=1200)

    assert same(history.load(bitcoin, "5m"), LONG)
    assert same(history.load(bitcoin, "5m", int(LONG.time[10]), int(LONG.time[12])), LONG[10:13])
    assert len(history.load(bitcoin, "1m")) == 0


@pytest.mark.requirement("MKT-04")
@settings(max_examples=20, deadline=None)
@given(st.data())
def test_stretches_of_one_statement_equal_those_read_alone(data):
    """Whole, empty, overlapping, twice the same, in any order: however rows lie in the table."""
    kept = [rows.instrument(), rows.instrument("ETH/USDT:USDT")]
    for seed, instrument in enumerate(kept):
        later, part = data.draw(st.integers(1, 99)), samples.candles(100, "5m", seed=seed)
        keep(instrument, part[later:])
        keep(instrument, part[:later])
    times = st.integers(-1, 101).map(lambda row: int(LONG.time[0]) + row * 5 * MINUTE)
    stretch = st.tuples(st.sampled_from([one.pk for one in kept]), st.sampled_from(["5m", "1h"]), times, times)
    asked = data.draw(st.lists(stretch, min_size=1, max_size=8))

    together = Candle.objects.stretches(asked)

    assert len(together) == len(asked)
    for found, (pk, timeframe, first, last) in zip(together, asked, strict=True):
        assert same(found, history.load(pk, timeframe, first, last))
        assert len(found) == (0 if timeframe == "1h" else max(0, count(first, last)))
    Candle.objects.all().delete()


def count(first: int, last: int) -> int:
    begin = int(LONG.time[0])
    return (min(last, begin + 99 * 5 * MINUTE) - max(first, begin)) // (5 * MINUTE) + 1


def test_a_thousand_stretches_are_read_at_once(bitcoin):
    keep(bitcoin, LONG)
    asked = [(bitcoin.pk, "5m", time, time) for time in LONG.time.tolist()]

    assert [one.close[0] for one in Candle.objects.stretches(asked)] == LONG.close.tolist()


def test_a_stretch_longer_than_what_is_read_at_once_is_whole(bitcoin, monkeypatch):
    monkeypatch.setattr(candle_reads.PackedReader, "AT_ONCE", 400)
    keep(bitcoin, LONG)

    assert same(history.load(bitcoin, "5m"), LONG)
    assert same(history.load(bitcoin, "5m", last=int(LONG.time[399])), LONG[:400])
    assert same(history.newest(bitcoin, "5m", 600), LONG[-600:])


def test_storing_again_changes_nothing(bitcoin):
    keep(bitcoin, LONG[:600])

    assert keep(bitcoin, LONG[300:900]) == history.Stored(stored=300, unchanged=300)
    assert same(history.load(bitcoin, "5m"), LONG[:900])


def test_a_stored_candle_wins_over_one_with_other_values(bitcoin):
    keep(bitcoin, LONG[:100])
    other = samples.candles(100, "5m", seed=2)

    became = keep(bitcoin, other)

    assert became.stored == became.unchanged == 0
    assert became.differing == 100
    assert same(history.load(bitcoin, "5m"), LONG[:100])


@pytest.mark.requirement("MKT-05")
@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 49),
    st.sampled_from(["open", "high", "low", "close", "volume"]),
    st.sampled_from([float("nan"), float("inf"), -1.0]),
)
def test_one_bad_row_keeps_all_out(row, column, value):
    instrument, part = rows.instrument(), samples.candles(50)
    getattr(part, column)[row] = value

    with pytest.raises(ValueError, match=f"Row {row} "):
        keep(instrument, part, "1m")

    assert not Candle.objects.filter(timeframe="1m").exists()


def test_on_sqlite_candles_lie_in_the_order_of_their_key(bitcoin):
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT sql FROM sqlite_master WHERE name IN ('markets_candle', 'markets_markcandle')")
            assert [sql.endswith("WITHOUT ROWID") for (sql,) in cursor.fetchall()] == [True, True]
    with pytest.raises(IntegrityError), transaction.atomic():
        Candle.objects.create(instrument=bitcoin, timeframe="1m", open_time=0, open=1, high=1, low=2, close=1, volume=1)


def test_storing_costs_the_same_statements_for_any_number_of_rows(bitcoin, django_assert_num_queries):
    with CaptureQueriesContext(connection) as few:
        keep(bitcoin, LONG[:2])
    with CaptureQueriesContext(connection) as more:
        keep(bitcoin, LONG[2:400])
    with CaptureQueriesContext(connection) as many:
        keep(bitcoin, LONG[400:1000])

    assert len(more) == len(few)
    # PostgreSQL copies many rows into a table of its own first.
    assert len(many) - len(few) in (0, 3)


@pytest.mark.requirement("MKT-04")
def test_coarser_timeframes_are_built_from_the_finest_and_stored_ones_stay(bitcoin, ether):
    minutes = samples.candles(600)
    keep(bitcoin, minutes, "1m")
    theirs = resample(minutes, MINUTE, 5 * MINUTE)[:10]
    theirs.volume[:] += 5
    keep(bitcoin, theirs)

    added = history.build_timeframes(instruments=[bitcoin, ether], timeframes=["1m", "5m", "1h"])

    assert added == 110 + 10
    built = history.load(bitcoin, "5m")
    assert same(built[:10], theirs)
    assert same(built[10:], resample(minutes, MINUTE, 5 * MINUTE)[10:])
    assert same(history.load(bitcoin, "1h"), resample(minutes, MINUTE, 60 * MINUTE))


def test_the_finest_timeframe_is_found_within_a_range(bitcoin):
    keep(bitcoin, LONG[:100])
    keep(bitcoin, samples.candles(60, begin=instant(int(LONG.time[50]))), "1m")

    assert history.finest([bitcoin]) == "1m"
    assert history.finest([bitcoin], last=int(LONG.time[49])) == "5m"
    assert history.finest([]) is None


# --- Windows -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-02")
def test_a_window_ends_with_the_last_closed_candle(bitcoin):
    keep(bitcoin, LONG)

    assert window(bitcoin).candles.time[-1] == LONG.time[999]
    assert window(bitcoin, NOW - timedelta(milliseconds=1)).candles.time[-1] == LONG.time[998]
    assert same(window(bitcoin).candles, windows.series(LONG, "5m", NOW).candles)


@pytest.mark.requirement("MKT-02")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1199), min_size=1, max_size=8), st.sets(st.integers(0, 1199), max_size=3))
def test_a_warm_cache_and_a_cold_one_agree_to_the_digit(visits, holes):
    instrument = rows.instrument("SOL/USDT:USDT")
    keep(instrument, samples.without(LONG, *holes))
    history.forget()
    warm = [window(instrument, instant(int(LONG.time[row]))) for row in visits]

    for row, seen in zip(visits, warm, strict=True):
        history.forget()
        cold = window(instrument, instant(int(LONG.time[row])))
        assert same(seen.candles, cold.candles)
        for name in ("ema_50", "rsi_14", "macd", "bollinger_upper"):
            np.testing.assert_array_equal(seen.indicator(name), cold.indicator(name))
    Candle.objects.filter(instrument=instrument).delete()


@pytest.mark.requirement("MKT-02")
def test_all_windows_take_one_query_and_then_none(bitcoin, ether, django_assert_num_queries):
    for instrument in (bitcoin, ether):
        keep(instrument, LONG)
        keep(instrument, samples.candles(1200, "15m", begin=samples.BEGIN - timedelta(days=8)), "15m")

    with django_assert_num_queries(1):
        first = history.series([bitcoin, ether], ["5m", "15m"], NOW)
    with django_assert_num_queries(0):
        again = history.series([bitcoin, ether], ["5m", "15m"], NOW)

    assert len(first) == 4
    assert all(first[key] is again[key] for key in first)


@pytest.mark.requirement("MKT-02")
def test_only_what_is_new_is_asked_for(bitcoin):
    keep(bitcoin, LONG)
    window(bitcoin)

    with CaptureQueriesContext(connection) as asked:
        later = window(bitcoin, NOW + timedelta(minutes=10))

    assert len(asked) == 1
    told = {int(number) for number in re.findall(r"\d{13}", asked[0]["sql"])}
    assert told & set(LONG.time.tolist()) == {LONG.time[1000], LONG.time[1001]}
    assert later.candles.time[-1] == LONG.time[1001]


@pytest.mark.requirement("MKT-02")
def test_what_another_process_stores_is_seen(bitcoin):
    keep(bitcoin, samples.without(LONG[:1000], 980, 990))
    assert len(window(bitcoin).candles) == 9

    # Straight into the table, as another process would: this one is not told, and looks again a second later.
    keep(bitcoin, LONG[990:991])
    assert len(window(bitcoin).candles) == 9
    assert len(window(bitcoin, NOW + SECOND).candles) == 19
    keep(bitcoin, LONG[980:981])
    assert same(window(bitcoin, NOW + 2 * SECOND).candles, windows.series(LONG, "5m", NOW).candles)


def test_older_history_that_is_imported_later_is_seen(bitcoin):
    keep(bitcoin, LONG[900:1000])
    assert len(window(bitcoin).candles) == 100

    keep(bitcoin, LONG[:900])

    assert same(window(bitcoin, NOW + SECOND).candles, windows.series(LONG, "5m", NOW).candles)


def test_a_window_with_holes_is_still_shared_and_cheap(bitcoin, django_assert_num_queries):
    keep(bitcoin, samples.without(LONG[800:1000], 50, 60, 70, 80, 90, 100))
    seen = window(bitcoin)

    with django_assert_num_queries(0):
        assert window(bitcoin) is seen
    with django_assert_num_queries(1):
        assert window(bitcoin, NOW + SECOND) is seen


def test_a_candle_that_is_late_is_asked_for_once_a_second(bitcoin, django_assert_num_queries):
    keep(bitcoin, LONG[:999])
    window(bitcoin)

    with django_assert_num_queries(0):
        assert len(window(bitcoin).candles) == len(window(bitcoin).candles)
    keep(bitcoin, LONG[999:1000])
    assert same(window(bitcoin, NOW + SECOND).candles, windows.series(LONG, "5m", NOW).candles)


def test_a_feed_that_is_behind_sees_nothing_of_one_that_is_ahead(bitcoin):
    keep(bitcoin, LONG)
    ahead = window(bitcoin, NOW + timedelta(minutes=50))

    behind = window(bitcoin)

    assert ahead.candles.time[-1] == LONG.time[1009]
    assert behind.candles.time[-1] == LONG.time[999]
    assert same(behind.candles, windows.series(LONG, "5m", NOW).candles)


def test_nothing_stored_gives_an_empty_series(bitcoin):
    assert len(window(bitcoin).candles) == 0


def test_the_cache_is_bounded(bitcoin, monkeypatch):
    monkeypatch.setattr(history, "_CAPACITY", 3)
    for day in range(10):
        window(bitcoin, NOW + timedelta(days=day))

    assert len(history._windows) == 3


@pytest.mark.django_db(transaction=True)
def test_threads_share_one_series():
    instrument = rows.instrument()
    keep(instrument, LONG)
    seen = []

    def read():
        seen.append(window(instrument))
        connection.close()

    threads = [Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({id(series) for series in seen}) == 1


# --- Snapshots ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-08")
def test_a_snapshot_takes_two_queries_for_any_number_of_instruments(bitcoin, ether, django_assert_num_queries):
    feed = rows.feed()
    instruments = [bitcoin, ether, rows.instrument("SOL/USDT:USDT")]
    for instrument in instruments[:2]:
        keep(instrument, LONG)
        rows.quote(instrument)

    with django_assert_num_queries(2):
        seen = snapshots.snapshot(feed, instruments, ["5m"], NOW)

    assert set(seen.instruments) == {bitcoin.symbol, ether.symbol}
    assert seen[bitcoin.symbol].indicator("5m", "rsi_14") is not None
    assert seen[bitcoin.symbol].quote.last == 50_000
    assert "SOL/USDT:USDT" not in seen
