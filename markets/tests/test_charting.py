from datetime import timedelta

import numpy as np
import pytest

from markets import broadcast, charting, history
from markets.domain.candles import TIMEFRAMES, milliseconds
from markets.models import Candle, ChartValues

from . import rows, samples

pytestmark = pytest.mark.django_db
WALL = samples.BEGIN + timedelta(days=500)
END = samples.BEGIN + timedelta(minutes=700)
NAMES = ["ema_20", "rsi_14", "obv"]


@pytest.fixture
def feed():
    return rows.feed(market_now=END)


@pytest.fixture
def bitcoin(feed):
    made = rows.instrument()
    history.store(instrument=made, timeframe="1m", candles=samples.candles(800))
    return made


def ask(feed, bitcoin, names=NAMES, wall=WALL):
    return charting.ask(feed=feed, instrument=bitcoin, timeframe="1m", names=names, wall=wall)


@pytest.mark.requirement("MKT-07")
@pytest.mark.requirement("UI-03")
def test_a_page_is_answered_with_the_very_figures_that_bots_read(feed, bitcoin, monkeypatch):
    told = []
    monkeypatch.setattr(broadcast, "announce", lambda group, **ids: told.append(group))
    ask(feed, bitcoin)

    assert charting.fill_asked(WALL) == 1

    found = charting.found(feed=feed, instrument=bitcoin, timeframe="1m")
    series = history.series([bitcoin], ["1m"], END)[bitcoin.pk, "1m"]
    assert (found.first, found.last) == (int(series.candles.time[0]), int(series.candles.time[-1]))
    for name in NAMES:
        given = np.array([np.nan if value is None else value for value in found.values[name]])
        np.testing.assert_allclose(given, series.indicator(name), rtol=1e-9)
    assert told == [f"market-{bitcoin.pk}"]


def test_nothing_is_computed_again_until_a_candle_has_closed(feed, bitcoin):
    ask(feed, bitcoin)
    charting.fill_asked(WALL)

    assert charting.fill_asked(WALL) == 0
    feed.market_now = END + timedelta(minutes=1)
    feed.save()
    before = ChartValues.objects.get().last
    assert charting.fill_asked(WALL) == 1
    assert ChartValues.objects.get().last == before + 60_000


def test_another_page_adds_what_it_draws_and_both_share_one_row(feed, bitcoin):
    ask(feed, bitcoin)
    charting.fill_asked(WALL)
    row = ask(feed, bitcoin, ["macd", "ema_20", "moon_phase"])

    assert row.names == [*NAMES, "macd"]
    assert charting.fill_asked(WALL) == 1
    assert set(ChartValues.objects.get().values) == {*NAMES, "macd"}


def test_a_page_that_was_left_is_not_computed_for_and_then_forgotten(feed, bitcoin):
    ask(feed, bitcoin)

    assert charting.fill_asked(WALL + charting.LEFT + timedelta(seconds=1)) == 0
    assert ChartValues.objects.exists()
    charting.fill_asked(WALL + charting.FORGOTTEN + timedelta(seconds=1))
    assert not ChartValues.objects.exists()


def test_a_page_that_is_looked_at_is_noted_only_now_and_then(feed, bitcoin, django_assert_num_queries):
    ask(feed, bitcoin)

    with django_assert_num_queries(1):
        ask(feed, bitcoin, wall=WALL + timedelta(seconds=5))
    assert ask(feed, bitcoin, wall=WALL + timedelta(seconds=11)).asked_at == WALL + timedelta(seconds=11)


@pytest.mark.requirement("MKT-05")
def test_what_cannot_be_computed_says_why(feed, bitcoin):
    history.forget()
    bitcoin = rows.instrument("ETH/USDT:USDT")
    history.store(instrument=bitcoin, timeframe="1m", candles=samples.without(samples.candles(800), 660))
    ask(feed, bitcoin)
    charting.fill_asked(WALL)

    found = ChartValues.objects.get()
    assert found.refused == {
        "ema_20": "It takes 80 candles without a hole, and there are 39.",
        "rsi_14": "It takes 112 candles without a hole, and there are 39.",
    }
    assert set(found.values) == {"obv"}


def test_without_a_candle_everything_is_refused(feed):
    ask(feed, rows.instrument())
    charting.fill_asked(WALL)

    found = ChartValues.objects.get()
    assert (found.first, found.last, set(found.refused)) == (None, None, set(NAMES))


# --- The candle that runs


def running(bitcoin, timeframe="5m", now=END + timedelta(minutes=2, seconds=30), price=123.45):
    last = history.newest(bitcoin, timeframe, 10, milliseconds(now) - TIMEFRAMES[timeframe])
    return charting.running(
        instrument=bitcoin, timeframe=timeframe, now=now, price=price, finer=("1m", "5m"), closed=last
    )


@pytest.mark.requirement("UI-03")
def test_the_running_candle_is_made_of_finer_ones_and_the_newest_price(bitcoin):
    minutes = history.load(bitcoin, "1m")[700:702]
    found = running(bitcoin)

    assert found.time == int(minutes.time[0])
    assert (found.open, found.close) == (minutes.open[0], 123.45)
    assert found.high == max(123.45, *minutes.high)
    assert found.low == min(123.45, *minutes.low)
    assert found.volume == pytest.approx(minutes.volume.sum())


def test_it_never_knows_a_candle_that_has_not_closed(bitcoin):
    found = running(bitcoin, now=END)

    assert (found.open, found.high, found.low, found.close, found.volume) == (123.45, 123.45, 123.45, 123.45, 0)


def test_without_finer_ones_it_opens_where_the_last_one_ended(bitcoin):
    last = history.newest(bitcoin, "1m", 1, milliseconds(END) - 60_000).close[0]

    for price in (last - 1, last + 1):
        found = running(bitcoin, timeframe="1m", now=END + timedelta(seconds=30), price=price)
        assert (found.open, found.close) == (last, price)
        assert (found.high, found.low) == (max(last, price), min(last, price))
    Candle.objects.filter(open_time=milliseconds(END) - 60_000).delete()
    assert running(bitcoin, timeframe="1m", now=END + timedelta(seconds=30), price=7.0).open == 7.0


def test_without_any_price_nothing_runs(bitcoin):
    assert running(bitcoin, timeframe="1m", price=None) is None
