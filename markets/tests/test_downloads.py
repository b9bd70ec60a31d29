"""Downloads from a fake exchange over HTTP: only what is missing, in pages, several at once, and again."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from markets import downloads, history
from markets.domain.candles import MINUTE, TIMEFRAMES, gaps, milliseconds
from markets.downloads import Line, Wanted
from markets.exchanges import market_data
from markets.models import Candle, ExchangeState, FundingRate, Instrument, RefusedData, SeriesNote

from . import samples
from .fake_exchange import FakeExchange

pytestmark = pytest.mark.django_db
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
NOW = datetime(2025, 6, 1, 12, 0, 30, tzinfo=UTC)
FIRST = milliseconds(NOW.replace(second=0) - timedelta(hours=40))


@pytest.fixture(scope="module")
def served():
    with FakeExchange() as fake:
        yield fake


@pytest.fixture
def exchange(served, settings):
    settings.EXCHANGE_URLS = {"binanceusdm": served.url("binanceusdm")}
    served.world.hold(NOW)
    served.log.clear()
    served.faults.clear()
    market_data.forget()
    yield served
    market_data.forget()


def wanted(symbols=(BTC,), timeframes=("1m",), first=FIRST, last=None, funding=False):
    return Wanted("binanceusdm", symbols, timeframes, first, milliseconds(NOW) if last is None else last, funding)


def run(what=None, at_once=1, **line):
    return downloads.download(wanted=what or wanted(), now=NOW, line=Line(**line), at_once=at_once)


def pages(exchange) -> list:
    return [call for call in exchange.log.calls if call.path.endswith("/klines")]


@pytest.mark.requirement("MKT-04")
def test_a_period_is_downloaded_in_pages_and_what_is_stored_is_not_asked_for_again(exchange):
    done = run()

    count = 40 * 60
    assert (done.stored, done.refused, done.missing) == (count, 0, 0)
    bitcoin = Instrument.objects.get()
    kept = history.load(bitcoin, "1m")
    assert (len(kept), gaps(kept, MINUTE)) == (count, 0)
    np.testing.assert_array_equal(kept.close, exchange.world.candles(BTC, "1m", FIRST, limit=count).close[:count])
    assert kept.time[-1] == milliseconds(NOW) // MINUTE * MINUTE - MINUTE, "the candle that runs must not be stored"
    assert len(pages(exchange)) == 3
    assert not bitcoin.assumed
    assert SeriesNote.objects.get().report["candles"] == count

    again = run()

    assert (again.stored, again.unchanged, len(pages(exchange))) == (0, 0, 3)


@pytest.mark.requirement("MKT-04")
def test_holes_alone_are_filled(exchange):
    run()
    bitcoin = Instrument.objects.get()
    times = history.load(bitcoin, "1m").time
    Candle.objects.filter(open_time__in=[int(at) for at in (*times[100:110], times[2000])]).delete()
    exchange.log.clear()

    done = run()

    assert (done.stored, done.missing) == (11, 0)
    assert [int(call.params["limit"]) for call in pages(exchange)] == [10, 1]


@pytest.mark.requirement("MKT-04")
def test_an_interrupted_download_keeps_what_had_come_and_resumes(exchange):
    fault = exchange.faults.add("status", "/klines", skip=1, times=None, status=500)
    said = []
    done = run(say=said.append, patience=0)

    assert (done.stored, done.missing) == (1000, 1400)
    assert "run it again to go on" in done.trouble
    exchange.faults.clear()
    assert fault.done
    ExchangeState.objects.all().delete()
    exchange.log.clear()

    resumed = run()

    assert (resumed.stored, resumed.missing, resumed.trouble) == (1400, 0, "")
    assert len(pages(exchange)) == 2


def test_it_waits_while_the_exchange_does_not_answer(exchange):
    exchange.faults.add("status", "/klines", times=1, status=503)
    pauses = []
    done = run(pause=pauses.append)

    assert (done.stored, done.trouble) == (2400, "")
    assert pauses == [1.0]


@pytest.mark.requirement("MKT-05")
def test_bad_candles_do_not_enter_and_are_counted(exchange):
    part = samples.candles(120, begin=NOW.replace(second=0) - timedelta(hours=2))
    part.high[5] = part.low[5] / 2
    exchange.world.tell(BTC, "1m", part)
    try:
        done = run(wanted(first=int(part.time[0])))
    finally:
        exchange.world._told.clear()

    assert (done.stored, done.refused, done.missing) == (119, 1, 1)
    refused = RefusedData.objects.get()
    assert (refused.part, refused.reason, refused.count) == ("candles 1m", "bad_candle", 1)


@pytest.mark.requirement("MKT-09")
def test_funding_comes_with_the_candles(exchange):
    done = run(wanted(timeframes=("1h",), first=FIRST, funding=True))

    hours = [at.hour for at in FundingRate.objects.order_by("at").values_list("at", flat=True)]
    assert hours == [0, 8, 16, 0, 8]
    assert done.stored == 40 + 5
    exchange.log.clear()
    assert run(wanted(timeframes=("1h",), funding=True)).stored == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.requirement("MKT-04")
def test_several_instruments_are_downloaded_at_once(exchange):
    done = run(wanted((BTC, ETH), ("5m", "15m"), funding=True), at_once=4)

    assert done.trouble == ""
    assert done.missing == 0
    for symbol in (BTC, ETH):
        for timeframe in ("5m", "15m"):
            kept = history.load(Instrument.objects.get(symbol=symbol), timeframe)
            assert len(kept) == 40 * 3_600_000 // TIMEFRAMES[timeframe]


def command(*options):
    out = StringIO()
    call_command(
        "download_candles", "--exchange", "binanceusdm", "--at-once", "1", *options, stdout=out, stderr=StringIO()
    )
    return out.getvalue()


def test_the_command_tells_one_object(exchange):
    told = json.loads(
        command("--symbols", BTC, "--timeframes", "1h", "--from", "2025-05-31", "--until", "2025-06-01", "--json")
    )

    assert told == {"stored": 27, "unchanged": 0, "refused": 0, "missing": 0, "trouble": ""}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--symbols", "MOON/USDT:USDT"), "lists no linear perpetual MOON"),
        (("--symbols", BTC, "--timeframes", "7m"), "no timeframe 7m"),
        (("--symbols", ""), "Name what to download"),
        (("--symbols", BTC, "--days", "99999999999"), "--days must be from 1 to 20,000"),
        (("--symbols", BTC, "--days", "0"), "--days must be from 1"),
        (("--symbols", BTC, "--from", "2025-02-01", "--until", "2025-01-01"), "before its beginning"),
    ],
)
def test_what_cannot_be_downloaded_is_said_in_a_sentence(exchange, options, words):
    with pytest.raises(CommandError, match=words):
        command(*options)
    assert not Candle.objects.exists()


def test_an_exchange_that_is_none(settings):
    with pytest.raises(downloads.NotPossible, match="no exchange"):
        downloads.download(wanted=Wanted("moonbase", (BTC,), ("1m",), FIRST, FIRST + 1), now=NOW, line=Line())
