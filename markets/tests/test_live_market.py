"""A live market end to end, against a fake exchange: opened, kept current, survived."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import numpy as np
import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from markets import freshness, refusals, watching
from markets.domain import windows
from markets.domain.candles import TIMEFRAMES, Candles, instant, milliseconds
from markets.domain.intake import Tick
from markets.domain.orders import Confirmed, OrderRequest, OrderType, Refused, Side
from markets.exchanges import budget, market_data, paper
from markets.live import funding, instruments, opening
from markets.live.ages import Ages
from markets.live.candles import LiveCandles
from markets.live.driver import Driver
from markets.models import (
    Candle,
    DataAge,
    ExchangeState,
    FundingRate,
    Instrument,
    OpenInterest,
    PaperPosition,
    PaperReport,
    Quote,
    RefusedData,
    Watch,
)
from markets.preparation import NotPossible

from .live_market import BTC, ETH, instrument, led_here, opened

pytestmark = pytest.mark.django_db(transaction=True)
NOON = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def fake():
    with led_here() as served:
        yield served


@pytest.fixture
def wall(monkeypatch):
    """A wall clock for limits and breaker that the test moves together with the exchange's."""

    class Wall:
        at = NOON

        def __call__(self):
            return self.at

    held = Wall()
    monkeypatch.setattr(budget, "wall", held)
    return held


def now():
    return datetime.now(UTC)


def driver_of(feed, *symbols):
    """A driver without a stream, to which these instruments are wanted."""
    watching.watch(wanted=[(instrument(symbol).pk, "") for symbol in symbols or (BTC,)], now=now())
    driver = Driver(feed, websocket=False)
    driver.look(now())
    return driver


# --- Opening ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-01")
def test_a_market_opens_with_the_exchanges_own_rules_and_prices(fake):
    fake.world.listed[BTC].tick, fake.world.listed[BTC].min_notional = "0.5", "55"
    feed = opened(fake)
    btc, quote = instrument(), Quote.objects.get(feed=feed, instrument=instrument())

    assert feed.badge == "LIVE · binanceusdm"
    assert not feed.lock_step
    assert (btc.tick, btc.step, btc.min_notional) == (Decimal("0.5"), Decimal("0.001"), Decimal(55))
    assert btc.funding_hours == 8
    assert not btc.assumed  # the shipped file has its tiers
    assert quote.bid < quote.last < quote.ask
    assert quote.funding_rate == Decimal("0.0001")
    assert quote.day_open is not None
    assert Quote.objects.filter(feed=feed).count() == 6


@pytest.mark.requirement("MKT-01")
def test_requests_that_take_long_make_no_price_of_the_future(fake):
    begun = now()
    feed = opening.open_market(exchange="binanceusdm", now=begun - timedelta(seconds=30))

    assert feed.quotes.count() == len(fake.world.listed)
    assert feed.market_now > begun


@pytest.mark.requirement("MKT-06")
def test_an_exchange_that_does_not_answer_is_said_at_once(fake):
    fake.world.maintenance = True
    with pytest.raises(NotPossible, match="binanceusdm cannot be used now"):
        opening.open_market(exchange="binanceusdm", now=now())
    with pytest.raises(NotPossible, match="There is no feed «fantasia»"):
        opening.open_market(exchange="fantasia", now=now())

    assert not Instrument.objects.filter(exchange="binanceusdm").exists()


# --- Prices ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("MKT-08")
def test_prices_come_by_rest_and_say_how_old_each_part_is(fake):
    feed = opened(fake)
    driver = driver_of(feed, BTC, ETH)
    fake.world.set_price(BTC, 60_000)
    fake.world.advance(2)
    driver.poll(now() + timedelta(seconds=2))
    driver.poll(now() + timedelta(seconds=2))
    driver.write(now())

    assert Quote.objects.get(feed=feed, instrument=instrument()).last == 60_000
    ages = set(DataAge.objects.filter(instrument=instrument()).values_list("part", "source"))
    assert {("price", "polling"), ("mark", "polling"), ("funding", "polling")} <= ages
    assert ExchangeState.objects.get().source == "polling"


@pytest.mark.requirement("EXE-01")
def test_a_price_moves_the_paper_venue_in_the_same_moment(fake):
    feed = opened(fake)
    driver, key = driver_of(feed), uuid4()
    fake.world.set_price(BTC, 60_000)
    driver.poll(now() + timedelta(seconds=2))
    paper.open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(10_000))
    venue = paper.PaperVenue(key, feed)
    bought = venue.send(OrderRequest("in", BTC, Side.BUY, OrderType.MARKET, Decimal("0.05")))
    stop = OrderRequest(
        "stop", BTC, Side.SELL, OrderType.STOP, Decimal("0.05"), trigger=Decimal(59_000), reduce_only=True
    )
    assert isinstance(bought, Confirmed)
    assert isinstance(venue.send(stop), Confirmed)

    fake.world.set_price(BTC, 58_900)
    fake.world.advance(2)
    driver.poll(now() + timedelta(seconds=2))

    assert not PaperPosition.objects.exists()
    assert venue.order("stop").status == "filled"
    assert venue.wallet() < 10_000 - 50


@pytest.mark.requirement("MKT-05")
def test_a_jump_waits_for_a_price_that_bears_it_out(fake):
    feed = opened(fake)
    driver = driver_of(feed)
    before = driver.prices.known[instrument().pk]
    fake.world.set_price(BTC, 6_500)  # a digit lost
    fake.world.advance(1)
    driver.poll(now() + timedelta(seconds=1))
    known = driver.prices.known[instrument().pk]
    assert (known.last, known.mark) == (before.last, before.mark)  # a mark bears out no price, and a price no mark

    fake.world.set_price(BTC, 64_000)
    fake.world.advance(1)
    driver.poll(now() + timedelta(seconds=2))
    assert driver.prices.known[instrument().pk].last == 64_000

    fake.world.set_price(BTC, 50_000)  # a crash is told again
    for _ in range(2):
        fake.world.advance(1)
        driver.poll(now() + timedelta(seconds=5))
    driver.write(now())

    assert driver.prices.known[instrument().pk].last == 50_000
    assert RefusedData.objects.get(reason="jump", symbol=BTC, part="price").count == 2


@pytest.mark.requirement("MKT-05")
@pytest.mark.parametrize(
    "wrong", [{"bid": "6500000", "ask": "6500010"}, {"bid": "65", "ask": "66"}, {"mark": "6500000"}]
)
def test_a_book_or_a_mark_that_jumps_beside_a_sound_last_price_waits_too(fake, wrong):
    feed = opened(fake)
    driver = driver_of(feed)
    before = driver.prices.known[instrument().pk]
    figures = {name: Decimal(value) for name, value in wrong.items()}
    at = before.at + timedelta(seconds=1)
    spike = Tick(BTC, at, last=before.last, **figures)
    driver.prices.take(ticks=[spike], instruments=driver.instruments, now=at, source="")
    driver.write(at)

    stored = Quote.objects.get(feed=feed, instrument=instrument())
    assert (stored.last, stored.bid, stored.ask, stored.mark) == (before.last, before.bid, before.ask, before.mark)
    assert RefusedData.objects.get(reason="jump", symbol=BTC).count == 1


@pytest.mark.requirement("MKT-05")
def test_one_wrong_moment_told_in_several_messages_is_not_borne_out(fake):
    feed = opened(fake)
    driver = driver_of(feed)
    before = driver.prices.known[instrument().pk]
    wrong = {"last": Decimal("650"), "bid": Decimal("649.9"), "ask": Decimal("650.1")}
    for later, told in ((100, {"last": wrong["last"]}), (101, wrong), (350, wrong), (1050, wrong)):
        at = before.at + timedelta(milliseconds=later)
        driver.prices.take(ticks=[Tick(BTC, at, **told)], instruments=driver.instruments, now=at, source="")
        assert driver.prices.known[instrument().pk].last == before.last

    at = before.at + timedelta(milliseconds=1100)
    driver.prices.take(ticks=[Tick(BTC, at, **wrong)], instruments=driver.instruments, now=at, source="")
    assert driver.prices.known[instrument().pk].last == Decimal("650")


@pytest.mark.requirement("MKT-05")
def test_frozen_prices_grow_old_and_nothing_trades_at_them(fake, monkeypatch):
    feed = opened(fake)
    driver, key = driver_of(feed), uuid4()
    paper.open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(10_000))
    fake.world.freeze()
    driver.poll(now() + timedelta(seconds=5))
    told = driver.prices.known[instrument().pk].at
    monkeypatch.setattr(paper.timezone, "now", lambda: now() + timedelta(minutes=2))
    driver.poll(now() + timedelta(minutes=2))
    answer = paper.PaperVenue(key, feed).send(OrderRequest("in", BTC, Side.BUY, OrderType.MARKET, Decimal("0.05")))

    assert driver.prices.known[instrument().pk].at == told  # answers go on, the data's own time does not
    assert isinstance(answer, Refused)
    assert answer.code == "stale_price"


@pytest.mark.requirement("MKT-05")
def test_bad_prices_are_counted_and_change_nothing(fake):
    feed = opened(fake)
    driver = driver_of(feed)
    fake.world.set_price(BTC, 65_000)
    driver.poll(now() + timedelta(seconds=3))
    for bid in ("65001", "-5"):
        fake.world.set_book(BTC, [[bid, "1"]], [["65000", "1"]])
        fake.world.advance(1)
        driver.poll(now() + timedelta(seconds=3))
    fake.world.set_book(BTC, None)
    fake.world.advance(30)  # its clock runs away
    driver.poll(now() + timedelta(seconds=3))
    driver.write(now())

    quote = Quote.objects.get(feed=feed, instrument=instrument())
    assert quote.last == 65_000
    assert quote.bid > 64_000
    counted = dict(RefusedData.objects.filter(symbol=BTC, part="price").values_list("reason", "count"))
    assert counted == {"crossed": 1, "not_positive": 1, "future": 1}


@pytest.mark.requirement("MKT-02")
def test_what_was_pushed_together_is_let_in_together_and_announced_once(fake, settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    feed = opened(fake)
    driver = driver_of(feed, BTC, ETH)
    channel = heard(f"feed-{feed.pk}")
    at = now() + timedelta(seconds=1)
    driver.inbox.put([Tick(BTC, at, last=Decimal(65_100))])
    driver.inbox.put([Tick(ETH, at, last=Decimal(3_210))])
    driver.inbox.put([Tick(BTC, at + timedelta(milliseconds=1), last=Decimal(65_200))])
    driver.take_streamed(now())

    quotes = Quote.objects.filter(feed=feed, instrument__symbol__in=(BTC, ETH)).order_by("instrument__symbol")
    assert list(quotes.values_list("last", flat=True)) == [65_200, 3_210]
    [told] = waiting(channel)
    assert (told["kind"], told["feed"]) == ("prices", feed.pk)
    assert not {"last", "bid", "ask", "mark"} & told.keys()  # ids only: never state

    driver.inbox.put([Tick(BTC, at + timedelta(milliseconds=2), last=Decimal(65_300))])
    driver.take_streamed(now())
    [next_told] = waiting(channel)
    assert next_told["round"] != told["round"]


def heard(group):
    """A channel that is told what is announced to a group."""
    layer = get_channel_layer()
    channel = async_to_sync(layer.new_channel)()
    async_to_sync(layer.group_add)(group, channel)
    return channel


def waiting(channel):
    """What was announced since the last look."""
    layer, found = get_channel_layer(), []
    while not layer.channels.get(channel, asyncio.Queue()).empty():
        found.append(async_to_sync(layer.receive)(channel))
    return found


@pytest.mark.requirement("MKT-02")
def test_what_nobody_watches_is_not_asked_for(fake):
    driver = Driver(opened(fake), websocket=False)
    driver.look(now())
    driver.poll(now() + timedelta(minutes=1))
    driver.chores.round(now())

    # Rules and the clock are of the exchange, not of an instrument.
    assert {call.path for call in fake.log.calls} <= {"/fapi/v1/exchangeInfo", "/fapi/v1/fundingInfo", "/fapi/v1/time"}


# --- Candles ---------------------------------------------------------------------------------------------


def series_of(*pairs):
    return [(instrument(symbol), timeframe) for symbol, timeframe in pairs]


def no_gap(timeframe, upto):
    times = Candle.objects.stretch(instrument().pk, timeframe).time
    step = TIMEFRAMES[timeframe]
    return (
        len(times) >= windows.WARM and int(times[-1]) + 2 * step > milliseconds(upto) and (np.diff(times) == step).all()
    )


@pytest.fixture
def held(fake, wall):
    """A market whose clock stands at noon, with rules and no candles."""
    fake.world.hold(NOON)
    instruments.refresh("binanceusdm", NOON, symbols=[BTC, ETH])
    fake.log.clear()

    def to(at):
        fake.world.hold(at)
        wall.at = at

    fake.to = to
    return fake


@pytest.mark.requirement("MKT-02")
def test_only_what_is_new_is_asked_for(held):
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, "5m"))
    candles.fill(*one, NOON)
    assert held.log.count("klines") == 1
    assert no_gap("5m", NOON)
    candles.fill(*one, NOON)
    assert candles.due([one], NOON) == []
    assert held.log.count("klines") == 1

    later = NOON + timedelta(minutes=10, seconds=1)
    held.to(later)
    assert candles.due([one], later) == [one]
    candles.fill(*one, later)
    asked = held.log.of("klines")[-1]

    assert asked.params["startTime"] == str(milliseconds(NOON))
    assert asked.params["limit"] == "2"
    assert no_gap("5m", later)
    # A new process knows from the store what is there.
    again = LiveCandles("binanceusdm", Ages())
    again.fill(*one, later)
    assert held.log.count("klines") == 2


@pytest.mark.requirement("MKT-05")
def test_a_candle_that_is_still_open_and_bad_ones_stay_outside(held):
    start = milliseconds(NOON) - 3 * 300_000
    rows = [
        [start, 100, 101, 99, 100, 5],
        [start + 300_000, 100, 99, 101, 100, 5],  # inverted
        [start + 600_000, 100, 101, 99, 100, 5],
        [start + 900_000, 100, 101, 99, 100, 5],  # opens at noon
    ]
    held.world.tell(BTC, "5m", Candles.of(rows))
    candles = LiveCandles("binanceusdm", Ages())
    candles.fill(*series_of((BTC, "5m"))[0], NOON)
    refusals.write(NOON)

    stored = list(Candle.objects.of(instrument(), "5m").order_by("open_time").values_list("open_time", flat=True))
    assert stored == [start, start + 600_000]
    assert RefusedData.objects.get(reason="bad_candle").example == "high and low do not enclose open and close"


@pytest.mark.requirement("MKT-03")
def test_what_a_stream_tells_is_stored_where_it_follows_and_filled_where_not(held):
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, "5m"))
    candles.fill(*one, NOON)
    next_at = milliseconds(NOON)
    follows = Candles.of([[next_at, 1, 2, 1, 2, 3]])
    skips = Candles.of([[next_at + 600_000, 1, 2, 1, 2, 3]])

    assert candles.take(*one, follows, NOON + timedelta(minutes=5), "stream")
    assert not candles.take(*one, skips, NOON + timedelta(minutes=15), "stream")
    assert held.log.count("klines") == 1


@pytest.mark.requirement("MKT-03")
@pytest.mark.parametrize("timeframe", ["1m", "5m"])
def test_an_outage_of_six_hours_leaves_no_gap(held, timeframe):
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, timeframe))
    candles.fill(*one, NOON)
    held.world.maintenance = True
    asked = 0
    for minute in range(0, 360, 5):
        at = NOON + timedelta(minutes=minute + 5)
        held.to(at)
        with pytest.raises(market_data.Away):
            candles.fill(*one, at)
    asked = held.log.count("klines", since=1)
    held.world.maintenance = False
    back = NOON + timedelta(hours=6, minutes=10)
    held.to(back)
    candles.fill(*one, back)

    assert no_gap(timeframe, back)
    assert asked <= 72  # one probe at a time, not a storm


@pytest.mark.requirement("MKT-02")
def test_a_storm_of_429_is_waited_out(held):
    held.faults.add("status", "klines", status=429, headers={"Retry-After": "120"}, body='{"code":-1003,"msg":"-"}')
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, "5m"))
    for second in range(0, 120, 5):
        held.to(NOON + timedelta(seconds=second))
        with pytest.raises(market_data.Away):
            candles.fill(*one, NOON)
    assert held.log.count("klines") == 1  # Retry-After holds for everybody
    back = NOON + timedelta(seconds=121)
    held.to(back)
    candles.fill(*one, back)

    assert no_gap("5m", back)


@pytest.mark.requirement("MKT-02")
def test_a_ban_is_sat_out_without_a_single_request(held):
    held.limits.ban(milliseconds(NOON), 1800)
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, "5m"))
    for minute in range(30):
        held.to(NOON + timedelta(minutes=minute))
        with pytest.raises(market_data.Away):
            candles.fill(*one, NOON + timedelta(minutes=minute))
    assert held.log.count() == 1
    assert ExchangeState.objects.get().banned
    back = NOON + timedelta(minutes=31)
    held.to(back)
    candles.fill(*one, back)

    assert no_gap("5m", back)
    assert not ExchangeState.objects.get().banned


@pytest.mark.requirement("MKT-03")
def test_a_hole_in_what_is_stored_is_filled_at_the_start(held):
    candles = LiveCandles("binanceusdm", Ages())
    [one] = series_of((BTC, "5m"))
    candles.fill(*one, NOON)
    Candle.objects.of(instrument(), "5m").between(
        milliseconds(NOON - timedelta(hours=5)), milliseconds(NOON - timedelta(hours=4))
    ).delete()
    assert not no_gap("5m", NOON)
    LiveCandles("binanceusdm", Ages()).fill(*one, NOON)

    assert no_gap("5m", NOON)


def test_a_price_that_is_nothing_at_the_tick_is_counted_and_the_round_goes_on(fake):
    feed = opened(fake)
    driver = driver_of(feed)
    before = Quote.objects.get(feed=feed, instrument=instrument())
    for told in ({"last": "1e-30"}, {"bid": "1e-18", "ask": "2e-18"}, {"last": "5", "liquidity": "1e40"}):
        values = {name: Decimal(value) for name, value in told.items()}
        driver.prices.known.clear()  # a jump would be refused before
        driver.prices.take(ticks=[Tick(BTC, now(), **values)], instruments=driver.instruments, now=now(), source="")
    refusals.write(now())

    assert Quote.objects.get(feed=feed, instrument=instrument()).last == before.last
    assert set(RefusedData.objects.values_list("reason", "count")) == {("not_positive", 2), ("too_large", 1)}


def test_whoever_wants_the_same_asks_in_one_order(fake):
    opened(fake)
    pk = instrument().pk
    wanted = [(pk, name) for name in ("1h", "", "5m", "1m", "4h", "15m", "30m", "1d")]
    watching.watch(wanted=wanted, now=now())

    assert Watch.objects.count() == len(wanted)
    assert list(Watch.objects.order_by("pk").values_list("timeframe", flat=True)) == sorted(name for _, name in wanted)


# --- Funding, interest, rules ----------------------------------------------------------------------------


@pytest.mark.requirement("MKT-09")
def test_funding_is_settled_at_its_own_time_and_rate_and_once(fake, wall):
    wall.at = now()
    feed, key = opened(fake), uuid4()
    driver_of(feed).poll(now() + timedelta(seconds=5))
    FundingRate.objects.all().delete()
    funding.settle(feed, instrument(), now(), Ages())
    paper.open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(10_000))
    venue = paper.PaperVenue(key, feed)
    assert isinstance(venue.send(OrderRequest("in", BTC, Side.BUY, OrderType.MARKET, Decimal("0.05"))), Confirmed)
    before = venue.wallet()

    fake.world.listed[BTC].funding_rate = "0.002"
    fake.world.advance(8 * 3600)
    later = now() + timedelta(hours=8)
    [due] = funding.overdue(feed, [instrument()], later)
    assert funding.settle(feed, due, later, Ages()) == 1
    settled = FundingRate.objects.latest("at")
    paid = before - venue.wallet()

    assert settled.at.hour in (0, 8, 16)
    assert settled.at.minute == 0
    assert settled.rate == Decimal("0.002")
    assert paid == pytest.approx(Decimal("0.05") * fake.world.mark(BTC) * Decimal("0.002"), rel=Decimal("0.02"))
    assert funding.overdue(feed, [instrument()], later) == []
    assert funding.settle(feed, due, later, Ages()) == 0
    assert venue.wallet() == before - paid


@pytest.mark.requirement("MKT-09")
def test_rates_that_a_download_has_stored_are_settled_all_the_same(fake, wall):
    wall.at = now()
    feed, key = opened(fake), uuid4()
    driver_of(feed).poll(now() + timedelta(seconds=5))
    funding.settle(feed, instrument(), now(), Ages())
    paper.open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(10_000))
    venue = paper.PaperVenue(key, feed)
    venue.send(OrderRequest("in", BTC, Side.BUY, OrderType.MARKET, Decimal("0.05")))
    fake.world.advance(5 * 24 * 3600)  # longer than is asked for where nothing was settled
    told = fake.world.settlements(BTC, None, None, 1000)
    FundingRate.objects.bulk_create(
        [FundingRate(instrument=instrument(), at=instant(at), rate=Decimal(rate)) for at, rate in told],
        ignore_conflicts=True,
    )

    later = now() + timedelta(days=5)
    assert funding.overdue(feed, [instrument()], later) == [instrument()]
    assert funding.settle(feed, instrument(), later, Ages()) == 15
    paid = PaperReport.objects.filter(kind="income", ref__contains="funding")
    assert paid.count() == 15
    assert funding.overdue(feed, [instrument()], later) == []


@pytest.mark.requirement("MKT-09")
def test_settlements_are_asked_for_page_by_page(fake, wall, monkeypatch):
    wall.at = now()
    feed = opened(fake)
    driver_of(feed).poll(now() + timedelta(seconds=5))
    monkeypatch.setattr(market_data, "SETTLEMENTS_PAGE", 2)

    told = funding.settle(feed, instrument(), now(), Ages())

    assert told == FundingRate.objects.filter(instrument=instrument()).count() == 9
    assert funding.overdue(feed, [instrument()], now()) == []
    shown = {part.part for part in freshness.of_instrument(instrument(), now())}
    assert not any(part.startswith("settled") for part in shown)


@pytest.mark.requirement("MKT-09")
def test_who_opened_after_a_settlement_owes_nothing_for_it(fake):
    feed, key = opened(fake), uuid4()
    driver_of(feed).poll(now() + timedelta(seconds=5))
    paper.open_account(key=key, feed=feed, currency="USDT", deposit=Decimal(10_000))
    venue = paper.PaperVenue(key, feed)
    venue.send(OrderRequest("in", BTC, Side.BUY, OrderType.MARKET, Decimal("0.05")))
    before = venue.wallet()
    FundingRate.objects.all().delete()
    assert funding.settle(feed, instrument(), now(), Ages()) > 1  # those of the last days, told only now

    assert venue.wallet() == before


@pytest.mark.requirement("MKT-09")
def test_another_funding_interval_is_followed(fake):
    opened(fake)
    fake.world.listed[BTC].funding_hours = 4
    [changed] = instruments.refresh("binanceusdm", now(), symbols=())

    assert changed.symbol == BTC
    assert instrument().funding_hours == 4
    assert instrument().rules.next_settlement(NOON) == NOON + timedelta(hours=4)


@pytest.mark.requirement("MKT-01")
def test_open_interest_is_kept_every_few_minutes(fake):
    opened(fake)
    assert funding.interest_due([instrument()], now()) == [instrument()]
    funding.read_interest("binanceusdm", instrument(), now(), Ages())

    assert OpenInterest.objects.get().amount == Decimal("81234.5")
    assert funding.interest_due([instrument()], now()) == []


@pytest.mark.requirement("MKT-10")
def test_halts_and_delistings_are_followed(fake):
    opened(fake)
    ends = now() + timedelta(days=3)
    fake.world.listed[BTC].delists_at = milliseconds(ends)
    fake.world.listed[ETH].status = "halted"
    instruments.refresh("binanceusdm", now(), symbols=())
    assert instrument(BTC).status == "leaving"
    assert "delists it on" in instrument(BTC).rules.closing
    assert instrument(ETH).status == "halted"
    assert not instrument(ETH).active

    fake.world.listed[ETH].status = "trading"
    del fake.world.listed[BTC]
    instruments.refresh("binanceusdm", now(), symbols=())
    assert instrument(BTC).status == "delisted"
    assert instrument(ETH).status == "trading"
    assert instrument(ETH).rules.closing == ""


def test_the_exchanges_clock_is_compared_with_ours(fake):
    opened(fake)
    fake.world.advance(2)

    assert 1900 < market_data.clock_offset("binanceusdm") < 2500
