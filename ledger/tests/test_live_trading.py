"""A live account over the whole way: ledger, live venue, ccxt, HTTP and the fake exchange."""

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ledger import arrivals, closing, reconciliation, reports
from ledger.domain.intents import Kind
from ledger.gateway import NoVenue, venue_of
from ledger.models import CashEntry, Order, OrderState, Position, Trade
from ledger.tests import builders
from ledger.tests.fake_desk import BTC, FakeDesk
from markets.exchanges import live_clients
from markets.exchanges.base import Unanswered
from markets.models import ExchangeState
from markets.tests.fake_exchange import trading

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(served, settings, monkeypatch):
    yield FakeDesk.connect(served, settings, monkeypatch)
    served.world.maintenance = False


@pytest.mark.requirement("EXE-04")
def test_an_entry_gets_its_bracket_and_everything_agrees_to_the_last_unit(desk):
    order = desk.trade(desk.draft())
    desk.round()

    assert order.state == OrderState.FILLED
    assert {a.type for a in desk.customer.live_algos()} == {"STOP_MARKET", "TAKE_PROFIT_MARKET"}
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-01")
def test_a_round_trip_leaves_the_wallet_in_the_journal_to_the_last_unit(desk):
    desk.trade(desk.draft(quantity="0.123"))
    desk.move("50321.7")
    desk.trade(desk.draft(Kind.CLOSE, "0.123"))
    desk.round()
    desk.round()

    closed = Position.objects.closed().get(account=desk.account)
    assert desk.balanced() == []
    assert closed.realised == sum(trade.realised for trade in desk.customer.trades)
    assert Trade.objects.count() == len(desk.customer.trades)


@pytest.mark.requirement("EXE-03")
def test_an_entry_whose_answer_is_lost_is_unknown_is_found_by_its_id_and_never_sent_again(desk):
    desk.fake.faults.add("drop", "/fapi/v1/order", method="POST")

    order = desk.trade(desk.draft())
    desk.round()
    desk.round()

    order.refresh_from_db()
    assert order.state == OrderState.FILLED
    assert len(desk.fake.log.of("/fapi/v1/order", method="POST")) == 1
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-03")
def test_an_order_that_the_exchange_shows_late_is_adopted_when_it_shows(desk):
    [order] = desk.commit(desk.draft())
    desk.customer.hidden[str(order.client_id)] = 12
    desk.fake.faults.add("drop", "/fapi/v1/order", method="POST")
    from ledger import ordering

    answers = ordering.send(account=desk.account, orders=[order])
    reports.collect(account=desk.account, now=desk.now, answers=answers)
    seen = []
    for _ in range(6):
        desk.wait(40)
        order.refresh_from_db()
        seen.append(order.state)

    assert seen[0] == OrderState.UNKNOWN
    assert seen[-1] == OrderState.FILLED
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-03")
def test_an_order_that_never_arrived_is_given_up_after_minutes_and_a_position_check(desk):
    desk.fake.faults.add("drop_before", "/fapi/v1/order", method="POST")
    order = desk.trade(desk.draft())
    desk.wait(60, rounds=2)
    order.refresh_from_db()
    early = order.state
    desk.wait(600, rounds=10)

    order.refresh_from_db()
    assert (early, order.state) == (OrderState.UNKNOWN, OrderState.REFUSED)
    assert "never arrived" in order.reason
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-04")
def test_the_stop_follows_what_was_filled_and_a_partly_filled_entry_may_be_cancelled(desk):
    desk.customer.share = Decimal("0.4")
    order = desk.trade(desk.draft(quantity="0.1"))
    desk.round()
    desk.round()

    order.refresh_from_db()
    assert (order.state, order.filled) == (OrderState.CANCELLED, Decimal("0.04"))
    assert [a.quantity for a in desk.customer.live_algos() if a.type == "STOP_MARKET"] == [Decimal("0.04")]
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-04")
def test_a_stop_that_was_cancelled_outside_is_placed_again_and_an_orphan_is_swept(desk):
    desk.trade(desk.draft())
    [stop] = [a for a in desk.customer.live_algos() if a.type == "STOP_MARKET"]
    trading.end_algo(desk.customer, stop, "CANCELED")
    for _ in range(3):
        desk.wait(5)
    covered = desk.balanced()
    trading.outsider(desk.customer, BTC, "SELL", "0.1")  # closed by hand: the bracket is left behind
    for _ in range(4):
        desk.wait(5)

    assert covered == []
    assert desk.balanced() == []
    assert Position.objects.current().count() == 0


@pytest.mark.requirement("EXE-04")
def test_a_position_whose_stop_the_exchange_refuses_is_closed(desk):
    body = '{"code":-4120,"msg":"Order type not supported for this endpoint."}'
    desk.fake.faults.add("status", "algoOrder", method="POST", times=None, status=400, body=body)

    desk.trade(desk.draft())
    for _ in range(4):
        desk.wait(5)

    assert desk.customer.position(BTC).quantity == 0
    assert desk.balanced() == []


@pytest.mark.requirement("LED-07")
def test_liquidation_is_adopted_with_reason_and_price_and_the_cash_agrees(desk):
    desk.trade(desk.draft(quantity="0.5", stop=Decimal(40_500)))
    desk.fake.world.set_price(BTC, 40_600)
    trading.liquidate(desk.customer, BTC, Decimal("40600"))
    for _ in range(4):
        desk.wait(5)

    closed = Position.objects.closed().get(account=desk.account)
    assert closed.exit_reason == "liquidation"
    assert Trade.objects.get(liquidation=True).price == Decimal(40_600)
    assert CashEntry.objects.filter(kind="liquidation").count() == 1
    assert desk.balanced() == []


@pytest.mark.requirement("LED-07")
@pytest.mark.parametrize(("act", "why"), [(trading.adl, "adl"), (trading.settle, "settlement")])
def test_deleveraging_and_settlement_are_adopted_as_exits(desk, act, why):
    desk.trade(desk.draft())
    act(desk.customer, BTC, Decimal("50400"))
    for _ in range(4):
        desk.wait(5)

    assert Position.objects.closed().get(account=desk.account).exit_reason == why
    assert desk.balanced() == []


@pytest.mark.requirement("LED-07")
def test_funding_and_transfers_are_entries_with_the_exchanges_ids_once(desk):
    desk.trade(desk.draft())
    for rate in ("0.0001", "-0.000033", "0.00007"):
        trading.fund(desk.customer, BTC, rate)
    desk.customer.move("TRANSFER", Decimal("-120.5"))
    for _ in range(3):
        desk.round()

    refs = [f"{m.kind}:{m.id}" for m in desk.customer.income if m.kind in ("FUNDING_FEE", "TRANSFER")]
    assert sorted(CashEntry.objects.filter(ref__in=refs).values_list("ref", flat=True)) == sorted(refs)
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-01")
@pytest.mark.parametrize("seed", range(3))
def test_any_order_and_repetition_of_executions_books_the_same(desk, seed):
    desk.customer.disorder = random.Random(seed)
    desk.trade(desk.draft(quantity="0.1"))
    desk.move("50200")
    desk.trade(desk.draft(Kind.REDUCE, "0.06"))
    desk.trade(desk.draft(Kind.ADD, "0.02"))
    for _ in range(3):
        desk.wait(5)

    assert Trade.objects.count() == len(desk.customer.trades)
    assert desk.balanced() == []


@pytest.mark.requirement("EXE-02")
def test_modes_changed_outside_refuse_the_entry_in_words(desk):
    desk.trade(desk.draft())
    desk.customer.setting(BTC).leverage = 9
    order = desk.trade(desk.draft(Kind.ADD, "0.05"))

    assert order.state == OrderState.REFUSED
    assert "leverage 9" in order.reason
    assert desk.balanced() == []


def test_a_trade_by_hand_is_recorded_and_never_managed(desk):
    trading.outsider(desk.customer, BTC, "BUY", "0.02")
    for _ in range(3):
        desk.wait(5)

    held = Position.objects.current().get(account=desk.account)
    assert held.quantity == Decimal("0.02")
    assert held.book.kind == "unassigned"
    assert not list(desk.customer.live_algos())


def test_an_account_without_a_key_or_on_another_feed_has_no_venue_in_words(desk, settings):
    bare = builders.account(name="bare", kind="live", feed=desk.account.feed)
    with pytest.raises(NoVenue, match="no key"):
        venue_of(bare)
    with pytest.raises(NoVenue, match="real prices"):
        venue_of(builders.account(name="paper prices", kind="live", sealed_credentials="x"))
    settings.LIVE_TRADING = False
    assert venue_of(desk.account).cancel("x").code == "live_off"


@pytest.mark.requirement("LED-06")
def test_a_trade_by_hand_in_an_instrument_without_a_row_here_blinds_nobody(desk):
    trading.outsider(desk.customer, "ETH/USDT:USDT", "BUY", "0.5")

    entry = desk.trade(desk.draft())
    desk.wait(5, rounds=2)

    assert entry.state == OrderState.FILLED
    assert desk.balanced() == []
    assert Trade.objects.filter(instrument__symbol="ETH/USDT:USDT").count() == 1


@pytest.mark.requirement("LED-06")
def test_where_that_instrument_cannot_be_asked_for_everything_else_is_booked(desk, monkeypatch):
    monkeypatch.setattr(arrivals, "_asked", {})
    live_clients.of("binanceusdm", credentials={})  # whose list is known before the exchange falls silent about it
    trading.outsider(desk.customer, "ETH/USDT:USDT", "BUY", "0.5")
    desk.fake.faults.add("status", "exchangeInfo", times=None, status=503, body="busy")

    desk.trade(desk.draft())
    desk.wait(5, rounds=2)
    assert Trade.objects.filter(instrument__symbol=BTC).count() == 1
    assert desk.stop() is not None
    desk.fake.faults.clear()


@pytest.mark.requirement("EXE-06")
def test_questions_of_an_account_wait_when_the_exchange_asks_for_it(desk):
    desk.trade(desk.draft())
    ExchangeState.objects.update(wait_until=datetime.now(UTC) + timedelta(seconds=60))
    desk.fake.log.clear()

    for _ in range(3):
        desk.round()
    assert list(desk.fake.log.calls) == []
    assert venue_of(desk.account).cancel(str(desk.stop().client_id)).report.status.value == "cancelled"


@pytest.mark.requirement("EXE-06")
def test_an_entry_waits_when_the_exchange_asks_for_it_and_an_exit_does_not(desk):
    desk.trade(desk.draft())
    ExchangeState.objects.update(wait_until=datetime.now(UTC) + timedelta(seconds=60))
    desk.fake.log.clear()

    entry = desk.trade(desk.draft(Kind.ADD, "0.05"))
    assert (entry.state, desk.fake.log.count("order", method="POST")) == ("refused", 0)
    assert "asked us to wait" in entry.reason
    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
    assert desk.customer.position(BTC).quantity == 0


@pytest.mark.requirement("EXE-01")
def test_a_remainder_below_a_step_is_kept_apart_and_no_order_is_made_for_it(desk):
    desk.trade(desk.draft())
    orders = Order.objects.count()
    trading.outsider(desk.customer, BTC, "SELL", "0.0996")
    for _ in range(4):
        desk.wait(6)

    assert Position.objects.closed().get().exit_reason == "dust"
    rest = Position.objects.open().select_related("book").get()
    assert (rest.book.kind, rest.quantity) == ("unassigned", Decimal("0.0004"))
    assert Order.objects.count() == orders
    assert list(desk.customer.live_algos(BTC)) == []
    assert desk.alerts() == ["dust"]
    assert reconciliation.check(account=desk.account, wall=desk.now) == []


@pytest.mark.requirement("EXE-01")
def test_a_stop_that_is_refused_is_not_asked_for_at_every_round_while_another_one_covers(desk):
    desk.trade(desk.draft())
    desk.fake.world.listed[BTC].min_quantity = "0.01"
    trading.outsider(desk.customer, BTC, "SELL", "0.099")
    sent = desk.fake.log.count("algoOrder", method="POST")
    for _ in range(12):
        desk.round()
    desk.fake.world.listed[BTC].min_quantity = ""

    assert 1 <= desk.fake.log.count("algoOrder", method="POST") - sent <= 3  # a stop and its target
    assert [stop.quantity for stop in desk.customer.live_algos(BTC) if stop.type == "STOP_MARKET"] == [Decimal("0.1")]
    for _ in range(3):
        desk.wait(60)
    assert desk.stop().quantity == Decimal("0.001")
    assert reconciliation.check(account=desk.account, wall=desk.now) == []


@pytest.mark.requirement("LED-06")
def test_an_instrument_that_is_gone_from_the_list_holds_up_nothing_else(desk, monkeypatch):
    desk.trade(desk.draft())
    monkeypatch.setattr(arrivals, "_asked", {})
    monkeypatch.setattr(live_clients, "FRESH_SECONDS", 0.0)
    for algo in list(desk.customer.live_algos(BTC)):
        trading.end_algo(desk.customer, algo, "EXPIRED")
    trading.settle(desk.customer, BTC, Decimal(50000))
    listed = desk.fake.world.listed.pop(BTC)
    try:
        trading.outsider(desk.customer, "ETH/USDT:USDT", "BUY", "0.5")
        desk.wait(122, rounds=2)
        assert Trade.objects.filter(instrument__symbol="ETH/USDT:USDT").count() == 1
        assert desk.account.silent_since is None
    finally:
        desk.fake.world.listed[BTC] = listed


@pytest.mark.requirement("EXE-06")
def test_questions_leave_a_part_of_the_allowance_to_orders(desk):
    desk.trade(desk.draft())
    client, at = venue_of(desk.account)._client, datetime.now(UTC)
    client.gate._clock = lambda: at
    used = int(60_000 / client.rateLimit * 0.9)
    ExchangeState.objects.update(minute=int(at.timestamp() // 60), used=used)

    with pytest.raises(Unanswered):
        venue_of(desk.account).positions()
    assert ExchangeState.objects.get().used == used
    assert venue_of(desk.account).cancel(str(desk.stop().client_id)).report.status.value == "cancelled"


@pytest.mark.requirement("EXE-04")
def test_an_exit_does_not_wait_for_instruments_or_the_time(desk):
    desk.trade(desk.draft())
    client = venue_of(desk.account)._client
    client.drift = replace(client.drift, measured=time.monotonic() - 601)
    for key, (_, source) in list(live_clients._loaded.items()):
        live_clients._loaded[key] = time.monotonic() - 3601, source
    for path in ("exchangeInfo", "/fapi/v1/time"):
        desk.fake.faults.add("status", path, times=None, status=503, body="busy")

    closing.close(account=desk.account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
    desk.fake.faults.clear()

    assert desk.customer.position(BTC).quantity == 0


def test_books_are_not_opened_over_a_trade_that_comes_in_between(desk, monkeypatch):
    from ledger import accounts, comparing
    from ledger.models import Account
    from markets.exchanges.base import Unanswered

    again = Account.objects.create(
        owner=desk.account.owner, name="again", kind="live", feed=desk.account.feed,
        sealed_credentials=desk.account.sealed_credentials,
    )  # fmt: skip
    look = comparing.picture

    def traded_meanwhile(venue):
        shown = look(venue)
        trading.outsider(desk.customer, BTC, "BUY", "0.01")
        return shown

    monkeypatch.setattr(comparing, "picture", traded_meanwhile)
    with pytest.raises(Unanswered, match="while its books"):
        accounts.open_books(account=again, wall=desk.now)
    monkeypatch.setattr(comparing, "picture", look)

    assert accounts.open_books(account=again, wall=desk.now)
    assert again.books.get().cash == desk.customer.wallet["USDT"]


@pytest.mark.requirement("EXE-04")
def test_a_tightened_stop_that_the_price_has_passed_meanwhile_closes_the_position(desk):
    desk.trade(desk.draft())
    Position.objects.update(stop=Decimal(49500))
    desk.move("49400", sweep=False)
    desk.round()
    desk.wait(5)

    assert desk.customer.position(BTC).quantity == 0
    assert desk.balanced() == []
