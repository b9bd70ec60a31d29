"""The stream of a live market: pushed prices and candles, cut and silent connections, polling in its place."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets import watching
from markets.domain import windows
from markets.live import driver as driving
from markets.live import streaming
from markets.live.streaming import _Finals
from markets.models import Candle, DataAge, ExchangeState, Quote

from .live_market import BTC, ETH, instrument, led_here, opened

pytestmark = pytest.mark.django_db(transaction=True)
SOL = "SOL/USDT:USDT"


def now():
    return datetime.now(UTC)


def until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.02)
    return answer


def source():
    return ExchangeState.objects.values_list("source", flat=True).first()


def price(symbol=BTC):
    return Quote.objects.filter(instrument__symbol=symbol).values_list("last", flat=True).first()


@pytest.fixture
def live(monkeypatch):
    """A driver at work in a thread, with little patience; gives the fake exchange."""
    monkeypatch.setattr(streaming, "SILENCE", timedelta(seconds=1.5))
    monkeypatch.setattr(streaming, "PAUSES", (0.1,))
    monkeypatch.setattr(driving, "LAGS", timedelta(seconds=1))
    for name, seconds in (("POLL_SECONDS", 0.3), ("WRITE_SECONDS", 0.2), ("LOOK_SECONDS", 0.2)):
        monkeypatch.setattr(driving, name, seconds)
    with led_here() as fake:
        fake.world.tick_seconds = 0.1
        opened(fake)
        wanted = [(instrument(BTC).pk, ""), (instrument(BTC).pk, "1m"), (instrument(ETH).pk, "")]
        watching.watch(wanted=wanted, now=now(), lasts=timedelta(minutes=5))
        ended = threading.Event()
        thread = threading.Thread(target=driving.run, args=("binanceusdm", ended))
        thread.start()
        try:
            until(lambda: source() == "stream")
            yield fake
        finally:
            ended.set()
            thread.join(30)
    assert not thread.is_alive()


@pytest.mark.requirement("MKT-03")
def test_prices_are_pushed_and_nothing_is_polled(live):
    last = live.log.last
    live.world.set_price(BTC, 64_123.4)
    until(lambda: price() == Decimal("64123.4"))
    until(lambda: DataAge.objects.filter(part="price", source="stream").count() == 2)
    until(lambda: DataAge.objects.filter(part="mark", source="stream").exists())

    assert live.log.count("ticker", since=last) == 0
    assert live.log.count("premiumIndex", since=last) == 0


@pytest.mark.requirement("MKT-03")
def test_a_cut_stream_is_opened_anew(live):
    opened_before = len(live.log.sockets)
    live.world.drop_streams()
    until(lambda: len(live.log.sockets) >= opened_before + 3)
    live.world.set_price(BTC, 63_500)
    until(lambda: price() == 63_500)
    until(lambda: source() == "stream")


@pytest.mark.requirement("MKT-03")
def test_a_silent_stream_is_noticed_by_the_age_of_its_data_and_polled_for(live):
    sockets, last = len(live.log.sockets), live.log.last
    live.world.streams_silent = True
    live.world.set_price(BTC, 63_900)
    until(lambda: price() == 63_900)
    until(lambda: source() == "polling")
    assert live.log.count("bookTicker", since=last) >= 1

    until(lambda: len(live.log.sockets) > sockets)  # and it is opened anew meanwhile
    live.world.streams_silent = False
    until(lambda: source() == "stream")


@pytest.mark.requirement("MKT-03")
def test_where_no_stream_can_be_had_it_is_polled(live):
    live.world.streams_refused = True
    live.world.drop_streams()
    until(lambda: source() == "polling")
    live.world.set_price(ETH, 3_333)
    until(lambda: price(ETH) == 3_333)


@pytest.mark.slow
@pytest.mark.requirement("MKT-03")
def test_a_closed_candle_comes_by_the_stream(live):
    until(lambda: Candle.objects.of(instrument(), "1m").count() >= windows.WARM)
    step = 60_000
    aged = DataAge.objects.filter(instrument=instrument(), part="candles 1m", source="stream")
    until(aged.exists, seconds=75)
    times = Candle.objects.stretch(instrument().pk, "1m").time

    assert (times[1:] - times[:-1] == step).all()


@pytest.mark.requirement("MKT-03")
def test_what_is_wanted_later_joins_the_open_stream(live):
    sockets, sol = len(live.log.sockets), instrument("SOL/USDT:USDT")
    watching.watch(wanted=[(sol.pk, "")], now=now())
    until(DataAge.objects.filter(instrument=sol, part="price", source="stream").exists)
    added = live.log.sockets[sockets:]

    assert len(added) == 3  # the books, last prices and marks of the new one; the others stay as they are
    live.world.set_price(BTC, 64_321)
    until(lambda: price() == 64_321)


def test_what_is_wanted_besides_comes_by_the_same_connection(live, monkeypatch):
    monkeypatch.setattr(streaming, "SILENCE", timedelta(minutes=1))
    before = subscriptions(live)
    wanted = [(instrument(BTC).pk, "5m"), (instrument(SOL).pk, "")]
    watching.watch(wanted=wanted, now=now(), lasts=timedelta(minutes=5))
    until(lambda: any("btcusdt@kline_5m" in text for _, text in live.log.messages))
    until(lambda: DataAge.objects.filter(instrument=instrument(SOL), part="price", source="stream").exists())

    watching.Watch.objects.filter(timeframe="5m").delete()
    live.world.set_price(BTC, 64_321.5)
    until(lambda: price() == Decimal("64321.5"))

    assert [one for one in subscriptions(live) if one in before] == before  # none of them anew


def subscriptions(live):
    return [name for _, text in live.log.messages for name in json.loads(text).get("params", ())]


@pytest.mark.requirement("MKT-03")
def test_a_second_process_stands_by(live):
    ended = threading.Event()
    second = threading.Thread(target=driving.run, args=("binanceusdm", ended))
    sockets = len(live.log.sockets)
    second.start()
    time.sleep(1)
    ended.set()
    second.join(10)

    assert len(live.log.sockets) == sockets


def test_a_candle_is_final_only_where_its_last_update_came_at_its_end(monkeypatch):
    clock = {"now": datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC)}

    class Time(datetime):
        @classmethod
        def now(cls, zone=None):
            return clock["now"]

    monkeypatch.setattr(streaming, "datetime", Time)
    finals, start = _Finals(), 1_777_636_800_000  # noon
    assert finals.closed(BTC, "1m", [[start, 1, 2, 1, 1.5, 3]]) == []
    clock["now"] = datetime(2026, 5, 1, 12, 0, 59, 900_000, tzinfo=UTC)
    assert finals.closed(BTC, "1m", [[start, 1, 2, 1, 1.7, 4]]) == []
    clock["now"] = datetime(2026, 5, 1, 12, 1, 0, 300_000, tzinfo=UTC)
    told = finals.closed(BTC, "1m", [[start, 1, 2, 1, 1.7, 4], [start + 60_000, 1.7, 1.7, 1.7, 1.7, 1]])
    assert told == [(start, 1, 2, 1, 1.7, 4)]
    # The next one is not updated at its end: what it was then, nobody has told.
    clock["now"] = datetime(2026, 5, 1, 12, 2, 0, 300_000, tzinfo=UTC)
    assert finals.closed(BTC, "1m", [[start + 120_000, 1.7, 1.7, 1.7, 1.7, 1]]) == []
