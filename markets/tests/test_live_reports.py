"""What a live venue reports: executions, income and ends of orders, whatever the exchange does to them on the way."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets.domain.orders import Fill, Income, OrderReport, OrderType, Side, VenueStatus
from markets.exchanges.base import Unanswered

from .fake_exchange import trading
from .live_desk import BTC, ETH


def told(desk, kind, after=0):
    return [entry.report for entry in desk.reports(after) if isinstance(entry.report, kind)]


@pytest.mark.requirement("LED-07")
def test_fills_fees_and_results_are_the_exchanges_to_the_last_unit(desk):
    desk.send(quantity="0.013")
    desk.fake.world.set_price(BTC, 51_234.5)
    desk.send(Side.SELL, "0.007", reduce_only=True)

    fills = told(desk, Fill)

    paid = sum(fill.realised - fill.fee for fill in fills)
    assert Decimal(10000) + paid == desk.venue.wallet() == desk.account.wallet["USDT"]
    assert sum(fill.side.sign * fill.quantity for fill in fills) == desk.held
    assert all(fill.client_id in desk.sent.orders for fill in fills)


@pytest.mark.requirement("LED-07")
def test_funding_transfers_and_clearance_are_income_with_the_exchanges_own_ids(desk):
    desk.send(quantity="0.1")
    for rate in ("0.0001", "-0.00025"):
        trading.fund(desk.account, BTC, rate)
    desk.account.move("TRANSFER", Decimal("250"))
    desk.account.move("COMMISSION_REBATE", Decimal("0.01"))
    desk.account.move("WELCOME_BONUS", Decimal("5"))
    desk.account.move("TRANSFER", Decimal("1"), asset="BNB")

    incomes = told(desk, Income)

    assert [(i.kind, i.symbol, i.amount, i.currency) for i in incomes] == [
        ("funding", BTC, Decimal("-0.5"), "USDT"),
        ("funding", BTC, Decimal("1.25"), "USDT"),
        ("transfer", "", Decimal(250), "USDT"),
        ("fee", "", Decimal("0.01"), "USDT"),
        ("other", "", Decimal(5), "USDT"),
        ("transfer", "", Decimal(1), "BNB"),
    ]
    assert [i.income_id for i in incomes] == [
        f"{m.kind}:{m.id}" for m in desk.account.income if m.kind not in ("COMMISSION", "REALIZED_PNL")
    ]
    assert incomes[0].from_margin == Decimal("0.5")


def test_places_grow_and_what_is_told_again_is_the_same(desk):
    desk.send(quantity="0.01")
    first = desk.reports()
    again = desk.reports(first[-1].cursor)
    desk.send(quantity="0.01")
    later = desk.reports(first[-1].cursor)

    places = [entry.cursor for entry in first]
    assert places == sorted(places)
    assert {entry.cursor for entry in again} == {first[-1].cursor}
    assert later[-1].cursor > first[-1].cursor
    assert [entry.report for entry in again] == [entry.report for entry in first]
    assert len({r.trade_id for r in (e.report for e in later) if isinstance(r, Fill)}) == 2


def test_what_happened_before_the_account_was_taken_over_is_not_told(desk):
    desk.send(quantity="0.01")
    desk.account.move("TRANSFER", Decimal(100))
    desk.sent.taken_over = datetime.now(UTC) + timedelta(milliseconds=1)
    desk.sent.ended.update(desk.sent.orders)

    assert desk.reports() == []


@pytest.mark.requirement("EXE-01")
@pytest.mark.parametrize("seed", range(6))
def test_shuffled_and_repeated_executions_come_once_and_in_order(desk, seed):
    for _ in range(5):
        desk.send(quantity="0.002")
    plain = told(desk, Fill)
    desk.account.disorder = random.Random(seed)

    assert told(desk, Fill) == plain
    assert len(plain) == 5


def test_more_executions_than_a_page_holds_all_come(desk, monkeypatch):
    from markets.exchanges import live_reports

    monkeypatch.setattr(live_reports, "PAGE", 3)
    for _ in range(8):
        desk.send(quantity="0.002")

    assert len(told(desk, Fill)) == 8


def test_weeks_of_absence_are_asked_for_in_pieces(desk):
    desk.fake.world.advance(-40 * 86400)
    desk.sent.taken_over = datetime.now(UTC) - timedelta(days=41)
    desk.send(quantity="0.01", leverage=1)
    trading.fund(desk.account, BTC, "0.0001")
    desk.fake.world.advance(40 * 86400)
    desk.client.drift = None
    desk.sent.ended.update(desk.sent.orders)

    assert len(told(desk, Fill)) == 1
    assert len(told(desk, Income)) == 1


@pytest.mark.requirement("LED-07")
def test_a_liquidation_has_its_reason_its_real_price_and_takes_the_margin(desk):
    desk.send(quantity="0.1", leverage=20)
    margin = desk.account.position(BTC).margin
    before = desk.account.wallet["USDT"]
    desk.fake.world.set_price(BTC, 47_800)

    forced = [fill for fill in told(desk, Fill) if fill.forced]
    [clearance] = told(desk, Income)

    assert [(f.forced, f.liquidation, f.price, f.client_id) for f in forced] == [
        ("liquidation", True, Decimal("47800"), None)
    ]
    assert clearance.kind == "liquidation"
    assert before - desk.venue.wallet() == margin
    assert desk.venue.positions() == []


@pytest.mark.requirement("LED-07")
@pytest.mark.parametrize(("act", "why"), [(trading.adl, "adl"), (trading.settle, "settlement")])
def test_deleveraging_and_settlement_are_told_as_such(desk, act, why):
    desk.send(quantity="0.1")
    desk.sent.ended.update(desk.sent.orders)
    act(desk.account, BTC, Decimal("50500"))

    fill = told(desk, Fill)[-1]

    assert (fill.forced, fill.price, fill.client_id, fill.liquidation) == (why, Decimal(50500), None, False)


def test_what_somebody_else_trades_is_told_with_their_id(desk):
    trading.outsider(desk.account, ETH, "BUY", "0.5")

    [fill] = told(desk, Fill)

    assert (fill.symbol, fill.client_id[:4], fill.forced) == (ETH, "web_", "")


@pytest.mark.parametrize("renames", [False, True])
def test_a_triggered_stops_executions_bear_its_id_even_where_the_exchange_renames_it(desk, renames):
    desk.account.renames = renames
    desk.send(quantity="0.01")
    stop, _ = desk.stop("49000")
    desk.fake.world.set_price(BTC, 48_000)

    fills = told(desk, Fill)
    ends = {r.client_id: r.status for r in told(desk, OrderReport)}

    assert fills[-1].client_id == stop.client_id
    assert ends[stop.client_id] is VenueStatus.FILLED


def test_a_stop_that_triggers_beside_no_position_is_told_as_ended(desk):
    desk.send(quantity="0.01")
    stop, _ = desk.stop("49000")
    desk.send(Side.SELL, "0.01", reduce_only=True)
    desk.fake.world.set_price(BTC, 48_000)

    [report] = [r for r in told(desk, OrderReport) if r.client_id == stop.client_id]

    assert (report.status, report.filled) == (VenueStatus.CANCELLED, 0)
    assert desk.held == 0


def test_an_order_that_is_shown_late_is_reported_with_its_executions_when_it_shows(desk):
    request = desk.request(quantity="0.01")
    desk.account.hidden[request.client_id] = 2
    desk.send(request)

    first = desk.reports()
    desk.account.hidden.clear()
    later = desk.reports(first[-1].cursor if first else 0)

    assert not [e for e in first if isinstance(e.report, Fill)]
    assert [e.report.client_id for e in later if isinstance(e.report, Fill)] == [request.client_id]


def test_an_overfill_is_told_as_it_is(desk):
    desk.send(type=OrderType.LIMIT, price="49500")
    [order] = desk.account.live_orders()
    trading.fill(desk.account, order, Decimal("0.012"), Decimal("49500"))

    assert sum(fill.quantity for fill in told(desk, Fill)) == Decimal("0.012")


def test_a_fee_in_another_currency_says_so(desk):
    desk.account.fee_asset = "BNB"
    desk.send(quantity="0.01")

    [fill] = told(desk, Fill)

    assert (fill.fee_currency, fill.fee) == ("BNB", Decimal("0.00041671"))


@pytest.mark.parametrize("path", ["income", "userTrades", "openOrders"])
def test_half_of_the_news_is_no_news(desk, path):
    desk.send(type=OrderType.LIMIT, price="49500")
    desk.send(quantity="0.01")
    desk.fake.faults.add("half", path, times=None)

    with pytest.raises(Unanswered):
        desk.reports()


def test_history_is_the_same_again(desk):
    desk.send(quantity="0.01")
    trading.fund(desk.account, BTC, "0.0001")
    desk.sent.ended.update(desk.sent.orders)

    history = desk.venue.history(datetime.now(UTC) - timedelta(seconds=30))

    assert history == [*told(desk, Fill), *told(desk, Income)]
