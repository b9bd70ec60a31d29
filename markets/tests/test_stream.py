import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import connection
from django.test.utils import CaptureQueriesContext

from markets import broadcast, history, quotes, stream
from markets.domain import windows
from markets.domain.candles import TIMEFRAMES, instant, milliseconds, resample
from markets.domain.orders import Confirmed, OrderRequest, OrderType, Side
from markets.domain.snapshot import QuoteView
from markets.exchanges import paper_market
from markets.exchanges.paper import PaperVenue, open_account
from markets.feeds import registry
from markets.feeds import simulated as simulated_feed
from markets.feeds.simulated import START
from markets.listing import ensure_instrument
from markets.models import Candle, Feed, FeedKind, FundingRate, Instrument, PaperAccount, PaperReport, Quote

from . import rows, samples

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
EXCHANGE = "binanceusdm"
BITCOIN, ETHER = "BTC/USDT:USDT", "ETH/USDT:USDT"


# The past of a seed is a pure function: worked out once for all tests of this module.
_past = cache(simulated_feed.past)


@pytest.fixture(autouse=True)
def _one_past(monkeypatch):
    monkeypatch.setattr(simulated_feed, "past", _past)


@pytest.fixture
def simulated() -> Feed:
    return stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=7))


def steps(feed: Feed, count: int, forgetful: bool = False) -> None:
    for _ in range(count):
        if forgetful:
            registry.forget()
        stream.step(feed.pk)


def state(feed: Feed) -> tuple:
    """All that a step may change."""
    return (
        Feed.objects.values_list("market_now", "finished").get(pk=feed.pk),
        sorted(Candle.objects.values_list("instrument", "timeframe", "open_time", "open", "close", "volume")),
        sorted(FundingRate.objects.values_list("instrument", "at", "rate")),
        sorted(Quote.objects.values_list("instrument", "last", "bid", "at", "liquidity", "day_open")),
        sorted(PaperAccount.objects.values_list("key", "wallet", "trades")),
        list(PaperReport.objects.order_by("id").values_list("kind", "body")),
    )


def long_position(feed: Feed, symbol=BITCOIN, stop: str | None = None) -> PaperVenue:
    """A paper account with a small long position, and a stop on request."""
    key = uuid4()
    open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(100_000))
    venue = PaperVenue(key, feed)
    bought = venue.send(OrderRequest("entry", symbol, Side.BUY, OrderType.MARKET, Decimal("0.1")))
    assert isinstance(bought, Confirmed), bought
    if stop:
        request = OrderRequest(
            "stop", symbol, Side.SELL, OrderType.STOP, Decimal("0.1"), trigger=Decimal(stop), reduce_only=True
        )
        assert isinstance(venue.send(request), Confirmed)
    return venue


# --- Simulated ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-06")
def test_a_fresh_simulation_has_a_past_long_enough_for_every_indicator(simulated):
    instruments = list(Instrument.objects.filter(exchange="simulated-7"))

    windows_ = history.series(instruments, ["1m", "5m", "15m", "1h"], simulated.market_now)

    assert simulated.market_now == START
    assert len(instruments) == 6
    assert len(quotes.newest(simulated)) == 6
    for (_, timeframe), series in windows_.items():
        assert len(series.candles) >= windows.WARM
        assert instant(int(series.candles.time[-1]) + TIMEFRAMES[timeframe]) == START


def test_preparing_again_changes_nothing(simulated):
    before = state(simulated)

    again = stream.prepare(simulated)

    assert again.market_now == simulated.market_now
    assert state(simulated) == before


@pytest.mark.requirement("MKT-06")
def test_a_step_keeps_the_candle_and_quotes_the_next_open(simulated):
    opens = {pk: quote.last for pk, quote in quotes.newest(simulated).items()}

    done = stream.step(simulated.pk, wall=rows.NOW)

    simulated.refresh_from_db()
    assert done == stream.StepResult(simulated.pk, START + MINUTE, True, False, candles=6, funding=0)
    assert (simulated.market_now, simulated.stepped_at) == (START + MINUTE, rows.NOW)
    for pk, quote in quotes.newest(simulated).items():
        candle = Candle.objects.get(instrument=pk, timeframe="1m", open_time=milliseconds(START))
        assert Decimal(repr(candle.open)) == opens[pk]
        assert quote.at == START + MINUTE
        assert quote.bid <= quote.last <= quote.ask
        assert abs(quote.last / Decimal(repr(candle.close)) - 1) < Decimal("0.03")
        assert float(quote.liquidity) == pytest.approx(candle.volume * candle.close, rel=1e-9)
        assert quote.next_funding_at == START + timedelta(hours=8)


@pytest.mark.requirement("MKT-06")
def test_a_process_that_forgets_everything_between_two_steps_makes_the_same_market(simulated):
    steps(simulated, 12)
    straight = state(simulated)
    Candle.objects.all().delete()
    Feed.objects.all().delete()

    resumed = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=7))
    steps(resumed, 12, forgetful=True)

    assert state(resumed) == straight


@pytest.mark.requirement("MKT-06")
def test_another_run_of_the_seed_is_the_same_market_from_its_start(simulated):
    steps(simulated, 6)
    first = quotes.newest(simulated)

    second = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=7, fresh=True))

    assert second.pk != simulated.pk
    assert (second.run, second.market_now) == (2, START)
    steps(second, 6)
    assert quotes.newest(second) == first


@pytest.mark.requirement("MKT-04")
def test_coarser_candles_complete_themselves_and_equal_what_is_resampled(simulated):
    steps(simulated, 62)

    first = milliseconds(START)
    for instrument in Instrument.objects.all():
        minutes = history.load(instrument, "1m", first)
        for timeframe, count in (("5m", 12), ("15m", 4), ("1h", 1)):
            stored = history.load(instrument, timeframe, first)
            built = resample(minutes, TIMEFRAMES["1m"], TIMEFRAMES[timeframe])
            assert len(stored) == count
            assert [column.tolist() for column in stored.columns()] == [column.tolist() for column in built.columns()]


def test_the_change_of_a_day_is_against_the_price_24_hours_before(simulated):
    stream.step(simulated.pk)

    for quote in Quote.objects.filter(feed=simulated):
        before = milliseconds(START + MINUTE - timedelta(days=1))
        candle = Candle.objects.get(instrument=quote.instrument_id, timeframe="1m", open_time=before)
        assert quote.day_open == Decimal(repr(candle.open))


@pytest.mark.requirement("MKT-09")
def test_funding_is_settled_when_it_is_due(simulated):
    venue = long_position(simulated)
    Feed.objects.filter(pk=simulated.pk).update(market_now=START + timedelta(hours=8) - MINUTE)

    done = stream.step(simulated.pk)

    assert done.funding == 6
    assert FundingRate.objects.filter(at=START + timedelta(hours=8)).count() == 6
    [paid] = [n.report for n in venue.reports(0) if getattr(n.report, "kind", "") == "funding"]
    quote = quotes.newest(simulated)[Instrument.objects.get(symbol=BITCOIN).pk]
    assert paid.rate == quote.funding_rate
    assert (paid.amount < 0) == (paid.rate > 0)
    assert quote.next_funding_at == START + timedelta(hours=16)


def test_a_simulation_with_an_end_ends():
    feed = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=7, ends_at=START + 2 * MINUTE))

    assert [stream.step(feed.pk).finished for _ in range(3)] == [False, True, True]
    feed.refresh_from_db()
    assert feed.market_now == START + 2 * MINUTE


# --- Crashes, statements, announcements --------------------------------------------------------------------


@pytest.mark.requirement("EXE-01")
@pytest.mark.parametrize("place", [(quotes, "write"), (paper_market, "drive")])
def test_a_crash_anywhere_in_a_step_leaves_the_instant_before(simulated, monkeypatch, place):
    long_position(simulated, stop="1000")
    steps(simulated, 4)
    before = state(simulated)
    real = getattr(*place)

    def dies(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(*place, dies)
    with pytest.raises(KeyboardInterrupt):
        stream.step(simulated.pk)
    monkeypatch.undo()

    assert state(simulated) == before
    twin = state_after_a_step_of_a_twin(simulated)
    stream.step(simulated.pk)
    assert quotes.newest(simulated) == twin


def state_after_a_step_of_a_twin(feed: Feed) -> dict[int, QuoteView]:
    twin = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=feed.seed, fresh=True))
    feed.refresh_from_db()
    while twin.market_now <= feed.market_now:
        stream.step(twin.pk)
        twin.refresh_from_db()
    return quotes.newest(twin)


@pytest.mark.requirement("MKT-02")
def test_a_step_costs_the_same_statements_for_one_account_and_for_many(simulated):
    long_position(simulated)
    steps(simulated, 1)
    with CaptureQueriesContext(connection) as for_one:
        stream.step(simulated.pk)
    for _ in range(9):
        long_position(simulated)
    with CaptureQueriesContext(connection) as for_ten:
        stream.step(simulated.pk)

    assert len(for_ten) == len(for_one) <= 20


@pytest.mark.requirement("UI-09")
@pytest.mark.django_db(transaction=True)
async def test_an_instant_is_announced_once_it_is_committed():
    feed = await sync_to_async(stream.ensure_feed)(kind=FeedKind.SIMULATED, seed=8)
    await sync_to_async(stream.prepare)(feed)
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(f"feed-{feed.pk}", channel)
    broadcast.attach(asyncio.get_running_loop())
    try:
        await sync_to_async(stream.step)(feed.pk)
        message = await asyncio.wait_for(layer.receive(channel), 5)
    finally:
        broadcast.attach(None)

    assert message == {"type": "changed", "kind": "instant", "feed": feed.pk}


def test_a_feed_that_is_not_prepared_or_live_is_not_stepped():
    for kind, exchange in ((FeedKind.SIMULATED, ""), (FeedKind.LIVE, EXCHANGE)):
        feed = stream.ensure_feed(kind=kind, exchange=exchange)
        with pytest.raises(ValueError, match="live or not prepared"):
            stream.step(feed.pk)


# --- Replay ------------------------------------------------------------------------------------------------


def listed(symbol=BITCOIN) -> Instrument:
    return ensure_instrument(exchange=EXCHANGE, symbol=symbol)


def stored(instrument: Instrument, candles, timeframe="1m") -> None:
    history.store(instrument=instrument, timeframe=timeframe, candles=candles)


def replay(**options) -> Feed:
    return stream.prepare(stream.ensure_feed(kind=FeedKind.REPLAY, exchange=EXCHANGE, **options))


def at(row: int, timeframe="1m") -> datetime:
    return samples.BEGIN + row * timedelta(milliseconds=TIMEFRAMES[timeframe])


@pytest.mark.requirement("MKT-06")
def test_a_replay_tells_the_stored_candles_again(django_assert_max_num_queries):
    bitcoin, minutes = listed(), samples.candles(1000)
    stored(bitcoin, minutes)

    feed = replay(starts_at=at(500), ends_at=at(510))

    assert (feed.market_now, feed.step_seconds, feed.ends_at) == (at(500), 60, at(510))
    for row in range(500, 510):
        [quote] = quotes.newest(feed).values()
        assert quote.at == at(row)
        assert float(quote.last) == pytest.approx(minutes.open[row], abs=0.1)
        done = stream.step(feed.pk)
    assert done.finished
    [quote] = quotes.newest(feed).values()
    assert float(quote.last) == pytest.approx(minutes.close[509], abs=0.1)
    assert not stream.step(feed.pk).stepped
    feed.refresh_from_db()
    assert feed.finished
    assert feed.market_now == at(510)


@pytest.mark.requirement("MKT-06")
def test_a_replay_begins_once_the_indicators_can_have_warmed_up():
    stored(listed(), samples.candles(40 * 24 * 12, "5m"), "5m")

    feed = replay()

    assert feed.step_seconds == 300
    assert feed.market_now == samples.BEGIN + timedelta(hours=history.windows.LONGEST_WARMUP)
    assert feed.ends_at == samples.BEGIN + timedelta(days=40)
    seen = history.series([listed()], ["5m", "15m", "1h"], feed.market_now)
    assert all(series.indicator("adx_14")[-1] > 0 for series in seen.values())


def test_a_replay_of_little_history_warms_up_what_it_can():
    stored(listed(), samples.candles(600))

    assert replay().market_now == at(history.windows.LONGEST_WARMUP)


def test_a_replay_of_next_to_nothing_begins_with_it():
    stored(listed(), samples.candles(100))

    assert replay().market_now == at(0)


def test_finer_candles_later_do_not_hide_a_coarse_beginning():
    bitcoin = listed()
    stored(bitcoin, samples.candles(600, "5m"), "5m")
    stored(bitcoin, samples.candles(300, begin=samples.BEGIN + timedelta(days=2)))

    assert replay(starts_at=samples.BEGIN).step_seconds == 300
    assert replay(starts_at=samples.BEGIN + timedelta(days=2)).step_seconds == 60


@pytest.mark.requirement("RSK-01")
def test_an_instrument_without_a_candle_has_an_ageing_quote():
    bitcoin, ether = listed(), listed(ETHER)
    stored(bitcoin, samples.candles(100))
    stored(ether, samples.without(samples.candles(100, seed=2), 12, 13))
    feed = replay(starts_at=at(10))

    ages = []
    for _ in range(5):
        stream.step(feed.pk)
        feed.refresh_from_db()
        seen = quotes.newest(feed)
        assert seen[bitcoin.pk].at == feed.market_now
        ages.append((feed.market_now - seen[ether.pk].at).total_seconds())

    assert ages == [0, 60, 120, 0, 0]


def test_an_instrument_that_is_silent_at_the_start_shows_how_old_its_price_is():
    bitcoin, ether = listed(), listed(ETHER)
    stored(bitcoin, samples.candles(100))
    stored(ether, samples.candles(20, seed=2))

    feed = replay(starts_at=at(50))

    assert quotes.newest(feed)[ether.pk].at == at(20)


@pytest.mark.requirement("MKT-09")
def test_stored_funding_is_settled_at_its_instant_and_never_before():
    bitcoin = listed()
    stored(bitcoin, samples.candles(200))
    for row, rate in ((55, "0.0002"), (60, "0.0001"), (61, "-0.0003")):
        FundingRate.objects.create(instrument=bitcoin, at=at(row), rate=Decimal(rate))
    feed = replay(starts_at=at(58))
    assert quotes.newest(feed)[bitcoin.pk].funding_rate == Decimal("0.0002")

    settled = []
    for _ in range(4):
        done = stream.step(feed.pk)
        settled.append((done.funding, quotes.newest(feed)[bitcoin.pk].funding_rate))

    assert settled == [
        (0, Decimal("0.0002")),
        (1, Decimal("0.0001")),
        (1, Decimal("-0.0003")),
        (0, Decimal("-0.0003")),
    ]


def test_funding_inside_a_long_step_is_added_up():
    bitcoin = listed()
    stored(bitcoin, samples.candles(50, "4h"), "4h")
    for hour in range(1, 9):
        FundingRate.objects.create(instrument=bitcoin, at=at(hour, "1h"), rate=Decimal("0.0001"))
    feed = replay(starts_at=at(0))

    stream.step(feed.pk)

    assert quotes.newest(feed)[bitcoin.pk].funding_rate == Decimal("0.0004")


@pytest.mark.requirement("MKT-06")
def test_a_replay_reads_ahead_and_not_once_for_each_instant():
    stored(listed(), samples.candles(300))
    feed = replay(starts_at=at(5))
    steps(feed, 1)

    with CaptureQueriesContext(connection) as asked:
        steps(feed, 20)

    # The price a day ago is one row; nothing else is read of the candles.
    reads = [q["sql"] for q in asked if "markets_candle" in q["sql"] and '"high"' in q["sql"]]
    assert reads == []


@pytest.mark.requirement("MKT-06")
def test_a_forgetful_process_replays_the_same_to_the_digit():
    stored(listed(), samples.candles(900))
    stored(listed(ETHER), samples.without(samples.candles(900, seed=5), 700, 701, 719, 720, 721))
    straight, forgetful = replay(starts_at=at(690)), replay(starts_at=at(690), fresh=True)

    for _ in range(60):
        steps(straight, 1)
        steps(forgetful, 1, forgetful=True)
        assert quotes.newest(straight) == quotes.newest(forgetful)


def test_a_stop_is_filled_on_the_way_through_the_candle():
    bitcoin = listed()
    stored(bitcoin, samples.candles(100, price=50_000.0))
    feed = replay(starts_at=at(10))
    venue = long_position(feed, stop="49900")

    for _ in range(80):
        stream.step(feed.pk)
        if not venue.positions():
            break

    assert venue.positions() == []
    assert venue.open_orders() == []


def test_coarser_candles_of_a_replay_are_built_beforehand_and_stored_ones_stay():
    bitcoin, minutes = listed(), samples.candles(1000)
    stored(bitcoin, minutes)
    theirs = resample(minutes, TIMEFRAMES["1m"], TIMEFRAMES["5m"])[:3]
    theirs.volume[:] += 1
    stored(bitcoin, theirs, "5m")

    replay(starts_at=at(500))

    built = history.load(bitcoin, "5m")
    assert len(built) == 200
    assert built.volume[:3].tolist() == theirs.volume.tolist()
    assert len(history.load(bitcoin, "1h")) == 16


# --- Which feed --------------------------------------------------------------------------------------------


def test_a_feed_is_made_once_and_found_again():
    first = stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3)

    again = stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3, speed=600)

    assert again.pk == first.pk
    assert again.speed == 600
    assert again.exchange == "simulated-3"
    assert stream.ensure_feed(kind=FeedKind.SIMULATED, seed=4).pk != first.pk


def test_a_fresh_run_is_the_newest_one_from_then_on():
    first = stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3)

    second = stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3, fresh=True)

    assert (first.run, second.run) == (1, 2)
    assert stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3).pk == second.pk
    assert stream.ensure_feed(kind=FeedKind.SIMULATED, seed=3, fresh=True).run == 3


def test_a_replay_without_candles_is_refused_in_one_sentence():
    with pytest.raises(stream.NotPossible, match="No candles of binanceusdm"):
        stream.ensure_feed(kind=FeedKind.REPLAY, exchange=EXCHANGE)
    stored(listed(), samples.candles(100))
    with pytest.raises(stream.NotPossible, match="No candles of binanceusdm"):
        stream.ensure_feed(kind=FeedKind.REPLAY, exchange=EXCHANGE, starts_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert not Feed.objects.exists()


@pytest.mark.parametrize("start", [START - MINUTE, START + timedelta(seconds=30)])
def test_a_simulation_starts_on_a_minute_that_it_has(start):
    with pytest.raises(stream.NotPossible, match="starts on a full minute"):
        stream.ensure_feed(kind=FeedKind.SIMULATED, starts_at=start)


def test_a_simulation_that_starts_later_is_the_same_market_later(simulated):
    later = stream.prepare(stream.ensure_feed(kind=FeedKind.SIMULATED, seed=7, starts_at=START + 5 * MINUTE))

    steps(simulated, 5)

    assert quotes.newest(later).keys() == quotes.newest(simulated).keys()
    for pk, quote in quotes.newest(later).items():
        assert quote.last == quotes.newest(simulated)[pk].last
