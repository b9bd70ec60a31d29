from datetime import timedelta

import pytest

from markets import retention
from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.feeds import simulated
from markets.models import Candle, Feed, FeedKind, PaperAccount, PaperReport
from markets.preparation import ensure_feed
from markets.tests import rows
from markets.tests.rows import NOW

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def fill(instrument, timeframe, count):
    """So many candles, the last closing at NOW."""
    step, end = TIMEFRAMES[timeframe], milliseconds(NOW)
    Candle.objects.insert((instrument.pk, timeframe, end - n * step, 1, 1, 1, 1, 1) for n in range(1, count + 1))


def count(instrument, timeframe):
    return Candle.objects.of(instrument, timeframe).count()


@pytest.mark.requirement("OPS-04")
def test_old_candles_of_a_simulated_market_go(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 100)
    rows.feed()
    instrument = rows.instrument()
    fill(instrument, "1m", 3500)
    fill(instrument, "1h", 800)

    assert retention.candles(days=2, dry_run=True) == 620
    assert retention.candles(days=2) == 620

    assert (count(instrument, "1m"), count(instrument, "1h")) == (2880, 800)
    assert Candle.objects.of(instrument, "1m").order_by("open_time").first().open_time == milliseconds(NOW - 2 * DAY)
    assert retention.candles(days=2) == 0


def test_a_timeframe_keeps_what_indicators_need_whatever_is_asked():
    rows.feed()
    instrument = rows.instrument()
    fill(instrument, "1h", 700)

    assert retention.candles(days=0) == 100
    assert count(instrument, "1h") == retention.NEWEST


def test_holes_do_not_stop_it(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 10)
    rows.feed()
    instrument = rows.instrument()
    Candle.objects.insert((instrument.pk, "1m", ago * TIMEFRAMES["1m"], 1, 1, 1, 1, 1) for ago in (0, 7, 5000))

    assert retention.candles(days=2) == 3


@pytest.mark.parametrize("kind", [FeedKind.REPLAY, FeedKind.LIVE])
def test_real_candles_stay(kind):
    rows.feed(kind=kind, exchange="binanceusdm")
    instrument = rows.instrument(exchange="binanceusdm")
    fill(instrument, "1m", 5000)

    assert retention.candles(days=2) == 0


@pytest.mark.requirement("MKT-04")
def test_real_candles_go_by_timeframe_where_it_is_asked_for():
    rows.feed(kind=FeedKind.LIVE, exchange="binanceusdm")
    instrument = rows.instrument(exchange="binanceusdm")
    for timeframe in ("1m", "5m"):
        fill(instrument, timeframe, 5000)

    assert retention.real_candles(days={"1m": 2}, now=NOW, dry_run=True) == 5000 - 2880
    assert retention.real_candles(days={"1m": 2}, now=NOW) == 5000 - 2880
    assert (count(instrument, "1m"), count(instrument, "5m")) == (2880, 5000)
    assert retention.real_candles(days={}, now=NOW) == 0
    assert retention.real_candles(days={"5m": 1}, now=NOW) == 5000 - retention.NEWEST


def test_real_candles_that_a_replay_has_before_it_stay():
    rows.feed(kind=FeedKind.LIVE, exchange="binanceusdm")
    rows.feed("replay", kind=FeedKind.REPLAY, exchange="binanceusdm", market_now=NOW - 2 * DAY)
    fill(rows.instrument(exchange="binanceusdm"), "1m", 5000)

    assert retention.real_candles(days={"1m": 1}, now=NOW) == 680


def test_the_feed_that_is_furthest_behind_decides():
    rows.feed(market_now=NOW)
    rows.feed("same market, later start", market_now=NOW - DAY, starts_at=NOW - DAY)
    instrument = rows.instrument()
    fill(instrument, "1m", 3500)

    assert retention.candles(days=2) == 0


def test_a_run_that_was_begun_anew_holds_nothing_back():
    rows.feed(market_now=NOW - 30 * DAY)
    rows.feed("simulated-7 #2", run=2, market_now=NOW)
    fill(rows.instrument(), "1m", 3500)

    assert retention.candles(days=2) == 620


@pytest.mark.parametrize("option", [{"ends_at": NOW + 60 * DAY}, {"starts_at": simulated.START}])
def test_a_market_of_another_period_does_not_take_the_place_of_one_that_goes_on(option):
    plain = ensure_feed(kind=FeedKind.SIMULATED)
    ensure_feed(kind=FeedKind.SIMULATED, **option)
    other = ensure_feed(kind=FeedKind.SIMULATED, **option, fresh=True)
    assert (plain.exchange, plain.run, other.run) == (other.exchange, 1, 2)
    Feed.objects.filter(pk=plain.pk).update(market_now=NOW)
    Feed.objects.filter(pk=other.pk).update(market_now=NOW + 40 * DAY)
    fill(rows.instrument(), "1m", 2 * retention.DAY)

    assert retention.candles(days=2) == 0


def test_a_feed_that_runs_keeps_its_candles_although_a_newer_run_was_made():
    rows.feed(market_now=NOW - 30 * DAY, running=True)
    rows.feed("simulated-7 #2", run=2, market_now=NOW)
    fill(rows.instrument(), "1m", 3500)

    assert retention.candles(days=2) == 0


def report(account, day):
    body = {"at": (NOW + day * DAY).isoformat()}
    return PaperReport.objects.create(account=account, kind="order", ref="x", body=body).pk


def test_reports_go_up_to_what_is_booked_and_while_they_are_old(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    mine = PaperAccount.objects.create(feed=rows.feed(), currency="USDT", wallet=1)
    other = PaperAccount.objects.create(feed=rows.feed(), currency="USDT", wallet=1)
    made = [report(mine, day) for day in range(7)]
    foreign = report(other, 0)

    assert retention.reports(key=mine.key, until=made[4], before=NOW + 3 * DAY, dry_run=True) == 3
    assert PaperReport.objects.count() == 8
    assert retention.reports(key=mine.key, until=made[4], before=NOW + 3 * DAY) == 3
    assert retention.reports(key=mine.key, until=made[4], before=NOW + 30 * DAY) == 2

    assert set(PaperReport.objects.values_list("pk", flat=True)) == {made[5], made[6], foreign}
    assert Feed.objects.count() == 1
