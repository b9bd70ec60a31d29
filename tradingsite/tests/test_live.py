"""Bots on a live market, end to end: paper money on the prices of a fake exchange, by the code of production."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from bots import cycle, live_dispatch, questions, replaying, watching
from bots.models import Bot, BotStatus, Cycle, DecisionItem
from bots.tests import stand_in
from ledger import reconciliation
from ledger.models import EquityPoint, Order, Position, Trade
from markets import history
from markets.live import instruments
from markets.live.driver import Driver
from markets.models import Candle, Feed, FundingRate, Instrument, OpenInterest, Quote
from markets.tests.fake_exchange import Listed
from markets.tests.live_market import BTC, led_here, opened
from tradingsite import demo

pytestmark = pytest.mark.django_db(transaction=True)


def now():
    return datetime.now(UTC)


def inline(cycle_id):
    cycle.run(cycle_id=cycle_id)


@pytest.fixture
def fake():
    live_dispatch.forget()
    history.forget()
    with led_here() as served:
        yield served
    live_dispatch.forget()


@pytest.fixture
def market(fake):
    """The demo's bots on a live feed, their slots due, their candles there."""
    feed = opened(fake)
    demo.ensure(feed)
    due = now().replace(second=0, microsecond=0)
    Bot.objects.update(next_run_at=due)
    driver = brought(feed)
    driver.poll(now() + timedelta(seconds=5))
    return feed, driver


def brought(feed):
    """A driver that has brought everything that is wanted."""
    watching.renew(feed=feed, now=now())
    driver = Driver(feed, websocket=False)
    driver.look(now())
    driver.chores.round(now())
    return driver


@pytest.mark.requirement("MKT-06")
def test_bots_trade_paper_money_on_live_prices(market):
    feed, _driver = market
    assert live_dispatch.tick(enqueue=inline) == 1

    assert Cycle.objects.filter(status="done").count() == 4
    held = list(Position.objects.open().filter(account__feed=feed))
    assert held  # buying and holding buys at once
    assert all(Order.objects.live().filter(position=position, role="stop").exists() for position in held)
    assert EquityPoint.objects.filter(book__bot__isnull=False).count() == 4
    live_dispatch.tick(enqueue=inline)
    assert Cycle.objects.count() == 4  # the next slots are minutes away


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_the_price_reaches_is_booked_by_the_next_round(market, fake):
    feed, driver = market
    live_dispatch.tick(enqueue=inline)
    position = Position.objects.open().filter(account__feed=feed, long=True).first()
    symbol = position.instrument.symbol
    fake.world.set_price(symbol, float(position.stop) * 0.999)
    fake.world.advance(2)
    driver.look(now())
    for _ in range(2):  # should it be a jump, it is told twice
        fake.world.advance(1)
        driver.poll(now() + timedelta(seconds=3))
    live_dispatch.tick(enqueue=inline)
    position.refresh_from_db()

    assert position.state == "closed"
    assert position.exit_reason.startswith("stop")


@pytest.mark.requirement("MKT-02")
def test_two_hundred_bots_ask_no_more_than_one(fake):
    for number in range(14):
        one = Listed(f"COIN{number}", 10 + number, "0.001", "0.1")
        fake.world.listed[one.symbol] = one
    feed = opened(fake)
    demo.ensure(feed)
    twenty = list(Instrument.objects.filter(exchange="binanceusdm"))
    assert len(twenty) == 20
    Bot.objects.exclude(pk=Bot.objects.first().pk).update(status=BotStatus.PAUSED)
    only = Bot.objects.get(status=BotStatus.RUNNING)
    only.instruments.set(twenty)
    assert len(only.timeframes) == 3
    brought(feed).poll(now() + timedelta(seconds=5))
    one = Counter(call.path for call in fake.log.calls)

    Candle.objects.all().delete()
    FundingRate.objects.all().delete()
    OpenInterest.objects.all().delete()
    for number in range(199):
        copy = demo._bot(
            only.owner, feed, twenty, only.policy, f"Bot {number}", only.decider, "XX", number % 8
        )  # fmt: skip
        assert copy.instruments.count() == 20
    fake.log.clear()
    driver = brought(feed)
    driver.poll(now() + timedelta(seconds=5))
    many = Counter(call.path for call in fake.log.calls)

    assert Bot.objects.filter(status=BotStatus.RUNNING).count() == 200
    assert many["/fapi/v1/klines"] == one["/fapi/v1/klines"] == 20 * 3
    assert sum(many.values()) <= sum(one.values())


@pytest.mark.requirement("MKT-05")
def test_nobody_enters_on_stale_prices(market, fake, monkeypatch):
    fake.world.freeze()
    later = now() + timedelta(minutes=30)
    monkeypatch.setattr("bots.live_dispatch.clock.now", lambda feed, wall=None: later)
    Bot.objects.update(next_run_at=later - timedelta(seconds=10))
    live_dispatch.tick(enqueue=inline)

    entries = DecisionItem.objects.filter(action__startswith="open")
    assert entries.exists()
    assert {item.outcome for item in entries} == {"refused"}
    codes = [verdict["code"] for item in entries for verdict in item.verdicts if verdict["effect"] == "deny"]
    assert "stale_data" in codes
    assert not Order.objects.exists()


@pytest.mark.requirement("MKT-10")
def test_nobody_enters_what_the_exchange_delists(market, fake):
    Instrument.objects.filter(symbol=BTC).update(status="leaving", delists_at=now() + timedelta(days=2))
    live_dispatch.tick(enqueue=inline)

    refused = DecisionItem.objects.filter(symbol=BTC, action="open_long", outcome="refused")
    assert any("the exchange delists it on" in v["text"] for item in refused for v in item.verdicts)
    assert not Position.objects.filter(instrument__symbol=BTC).exists()


@pytest.mark.requirement("MKT-10")
def test_what_is_held_when_the_exchange_delists_it_is_settled_and_adopted(market, fake):
    feed, _driver = market
    live_dispatch.tick(enqueue=inline)
    position = Position.objects.open().filter(account__feed=feed).first()
    symbol, mark = position.instrument.symbol, Quote.objects.get(feed=feed, instrument=position.instrument).mark
    del fake.world.listed[symbol]
    instruments.refresh("binanceusdm", now(), symbols=())
    assert instruments.end_delisted(feed, now()) == 1
    assert instruments.end_delisted(feed, now()) == 0
    live_dispatch.tick(enqueue=inline)
    position.refresh_from_db()

    assert position.state == "closed"
    assert not Order.objects.live().filter(position=position).exists()
    assert position.exit_reason == "closed at the venue"
    assert Trade.objects.filter(position=position).latest("id").price == mark
    assert reconciliation.differences(position.account) == []


@pytest.mark.requirement("MKT-01")
def test_a_model_is_told_the_open_interest(market):
    feed, _driver = market
    bot = Bot.objects.filter(book__account__feed=feed).select_related("book__account__feed").first()
    instruments = cycle.instruments_of(bot)
    briefing = type("Told", (), {"now": now()})()
    told = questions.open_interest(bot, briefing, instruments)

    assert told[BTC].latest == told[BTC].average == Decimal("81234.5")


@pytest.mark.requirement("MKT-03")
def test_after_an_outage_each_bot_runs_once_for_its_latest_slot(market):
    Bot.objects.update(next_run_at=now() - timedelta(hours=6))
    live_dispatch.tick(enqueue=inline)

    assert Cycle.objects.count() == 4
    assert all(now() - slot < timedelta(minutes=3, seconds=5) for slot in Cycle.objects.values_list("slot", flat=True))
    assert min(Bot.objects.values_list("skipped_slots", flat=True)) >= 119


def test_cycles_of_one_account_do_not_wait_for_each_other_here(market):
    account = Bot.objects.first().book.account
    first = Bot.objects.first()
    for bot in Bot.objects.exclude(pk=first.pk):
        bot.book.account = account
        bot.book.save()
    live_dispatch.tick(enqueue=lambda cycle_id: None)

    assert not Cycle.objects.filter(waits_for__isnull=False).exists()


def test_a_dispatcher_beside_another_one_does_nothing(market):
    feed, _driver = market
    Feed.objects.filter(pk=feed.pk).update(lease_holder="another", lease_until=now() + timedelta(seconds=5))

    assert live_dispatch.tick(enqueue=inline) == 0
    assert not Cycle.objects.exists()


@pytest.mark.requirement("MKT-05")
def test_an_answer_is_judged_by_the_market_that_the_model_has_let_go_by(market, monkeypatch):
    feed, _driver = market

    def slow(briefing):
        """While it thinks the price rises by one percent."""
        for quote in Quote.objects.filter(feed=feed):
            moved = {name: getattr(quote, name) * Decimal("1.01") for name in ("last", "bid", "ask", "mark")}
            Quote.objects.filter(pk=quote.pk).update(**moved)
        price = float(briefing.snapshot[BTC].quote.last)
        plan = {"stop": price * 0.98, "target": price * 1.06}
        item = {"symbol": BTC, "action": "open_long", "conviction": 0.9, "reason": "It rises.", **plan}
        return {"summary": "up", "items": [item]}

    stand_in.install(monkeypatch, stand_in.TestModel(slow))
    bot = Bot.objects.filter(instruments__symbol=BTC).first()
    Bot.objects.exclude(pk=bot.pk).update(next_run_at=now() + timedelta(hours=1))
    Bot.objects.update(decider=stand_in.NAME)
    before = Quote.objects.get(feed=feed, instrument__symbol=BTC).ask
    live_dispatch.tick(enqueue=inline)

    item = DecisionItem.objects.get(action="open_long")
    assert item.price >= before * Decimal("1.009")
    assert item.decision.at > item.decision.cycle.started_at
    found = replaying.replay(decision=item.decision)
    assert (found["identical"], found["same"]) == (True, True)
