"""The live venue over the real ccxt, against the fake exchange: orders, cancels, and what each answer proves."""

import decimal
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from markets.domain.orders import Confirmed, Denied, OrderType, Refused, Side, Unknown, VenueStatus
from markets.exchanges.base import KeyRefused, Unanswered
from markets.exchanges.live import LiveVenue

from .fake_exchange import trading
from .live_desk import BTC

ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"


@pytest.mark.requirement("EXE-01")
def test_an_entry_fills_and_its_bracket_rests_reduce_only(desk):
    request, answer = desk.send(quantity="0.010")
    _, stop = desk.stop("49000.0")
    _, target = desk.send(Side.SELL, "0.01", OrderType.TARGET, trigger="53000", reduce_only=True)

    assert isinstance(answer, Confirmed)
    assert (answer.report.status, answer.report.client_id) == (VenueStatus.FILLED, request.client_id)
    assert desk.held == Decimal("0.01")
    assert isinstance(stop, Confirmed)
    assert isinstance(target, Confirmed)
    resting = list(desk.account.live_algos())
    assert {(a.type, a.trigger, a.reduce_only, a.working) for a in resting} == {
        ("STOP_MARKET", Decimal(49000), True, "CONTRACT_PRICE"),
        ("TAKE_PROFIT_MARKET", Decimal(53000), True, "CONTRACT_PRICE"),
    }
    assert [(r.type, r.status, r.reduce_only) for r in desk.venue.open_orders()] == [
        (OrderType.STOP, VenueStatus.OPEN, True),
        (OrderType.TARGET, VenueStatus.OPEN, True),
    ]


def test_a_stop_that_is_touched_closes_the_position_and_is_told_under_our_id(desk):
    desk.send(quantity="0.01")
    stop, _ = desk.stop("49000")
    desk.fake.world.set_price(BTC, 48_900)

    report = desk.venue.order(stop.client_id)

    assert desk.held == 0
    assert (report.status, report.filled, report.venue_id[:5]) == (VenueStatus.FILLED, Decimal("0.01"), "algo-")
    assert desk.venue.open_orders() == []
    fills = [entry.report for entry in desk.reports() if hasattr(entry.report, "trade_id")]
    assert [fill.client_id for fill in fills][-1] == stop.client_id


def test_stops_can_look_at_the_mark(desk):
    desk.send(quantity="0.01")
    desk.venue = LiveVenue(
        desk.client, "USDT", sent=desk.sent, rules=lambda symbol: desk.rules[symbol], trigger_by="mark"
    )
    desk.stop()

    assert [a.working for a in desk.account.live_algos()] == ["MARK_PRICE"]


def test_a_limit_order_rests_fills_in_parts_and_is_cancelled(desk):
    request, answer = desk.send(type=OrderType.LIMIT, price="49500")
    [order] = desk.account.live_orders()
    trading.fill(desk.account, order, Decimal("0.004"), Decimal("49500"))

    partly = desk.venue.order(request.client_id)
    cancelled = desk.venue.cancel(request.client_id)

    assert answer.report.status is VenueStatus.OPEN
    assert (partly.status, partly.filled) == (VenueStatus.PARTLY_FILLED, Decimal("0.004"))
    assert isinstance(cancelled, Confirmed)
    assert (cancelled.report.status, cancelled.report.filled) == (VenueStatus.CANCELLED, Decimal("0.004"))
    assert desk.venue.cancel(request.client_id).code == "not_live"


def test_cancelling_a_stop_is_confirmed_and_a_second_time_refused(desk):
    desk.send(quantity="0.01")
    stop, _ = desk.stop()

    assert isinstance(desk.venue.cancel(stop.client_id), Confirmed)
    assert not list(desk.account.live_algos())
    assert desk.venue.cancel(stop.client_id).code == "not_live"
    assert isinstance(desk.venue.cancel("never sent"), Denied)


@pytest.mark.requirement("EXE-03")
def test_the_rows_uuid_is_the_client_id_on_the_wire(desk):
    request, _ = desk.send(quantity="0.01")
    stop, _ = desk.stop()

    assert desk.fake.log.of(ORDER, method="POST")[0].fields["newClientOrderId"] == request.client_id
    assert desk.fake.log.of(ALGO, method="POST")[0].fields["clientAlgoId"] == stop.client_id
    assert len(request.client_id) == 36


# --- What an answer proves ---


@pytest.mark.requirement("EXE-03")
@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("drop", {}),
        ("delay", {"seconds": 1.6}),
        ("half", {}),
        ("body", {"body": "<html>gateway</html>"}),
        ("status", {"status": 500, "body": "", "after": True}),
        ("status", {"status": 502, "body": "<html/>", "after": True}),
        ("status", {"status": 503, "body": '{"code":-1000,"msg":"Unknown error."}', "after": True}),
        ("status", {"status": 408, "body": '{"code":-1007,"msg":"Timeout waiting for response."}', "after": True}),
        ("status", {"status": 400, "body": '{"code":-1006,"msg":"An unexpected response."}', "after": True}),
    ],
    ids=["dropped", "time-out", "half", "html", "500", "502", "503", "-1007", "-1006"],
)  # fmt: skip
def test_an_accepted_order_without_an_answer_is_unknown_and_found_by_its_id(desk, kind, how):
    desk.fake.faults.add(kind, ORDER, method="POST", **how)

    request, answer = desk.send(quantity="0.01")

    assert isinstance(answer, Unknown), answer
    assert desk.fake.log.count(ORDER, method="POST") == 1  # never sent again
    assert desk.venue.order(request.client_id).status is VenueStatus.FILLED
    assert desk.held == Decimal("0.01")


def test_a_connection_cut_before_the_order_arrived_is_unknown_too(desk):
    desk.fake.faults.add("drop_before", ORDER, method="POST")

    request, answer = desk.send(quantity="0.01")

    assert isinstance(answer, Unknown)
    assert desk.venue.order(request.client_id) is None
    assert desk.held == 0


@pytest.mark.requirement("EXE-03")
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, '{"code":-1003,"msg":"Too many requests."}', "rate_limited"),
        (418, '{"code":-1003,"msg":"Way too many requests; IP banned."}', "rate_limited"),
        (400, '{"code":-1015,"msg":"Too many new orders."}', "rate_limited"),
        (503, '{"code":-1008,"msg":"Server is currently overloaded."}', "overloaded"),
        (400, '{"code":-2019,"msg":"Margin is insufficient."}', "insufficient_margin"),
        (400, '{"code":-2022,"msg":"ReduceOnly Order is rejected."}', "no_position"),
        (400, '{"code":-4131,"msg":"PERCENT_PRICE filter limit."}', "price_out_of_bounds"),
        (400, '{"code":-4120,"msg":"Order type not supported for this endpoint."}', "venue_changed"),
        (401, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', "key_refused"),
        (403, "<html>WAF</html>", "key_refused"),
        (400, '{"code":-9999,"msg":"Something new."}', "unknown"),
        (400, '{"code":-1104,"msg":"Not all sent parameters were read."}', "venue_changed"),
        (400, '{"code":-1116,"msg":"Invalid orderType."}', "venue_changed"),
        (404, "<html>Not Found</html>", "venue_changed"),
    ],
)  # fmt: skip
def test_proof_of_non_acceptance_is_a_refusal_with_a_stable_code(desk, status, body, code):
    desk.fake.faults.add("status", ORDER, method="POST", status=status, body=body)

    _, answer = desk.send(quantity="0.01")

    assert isinstance(answer, Refused), answer
    assert answer.code == code
    assert "http" not in answer.message
    assert "signature" not in answer.message
    assert desk.held == 0


def test_an_order_refused_for_its_time_alone_goes_out_once_more_by_a_clock_set_anew(desk):
    desk.send(quantity="0.01")
    desk.fake.world.advance(7200)
    try:
        _, answer = desk.send(Side.SELL, "0.01", reduce_only=True)
    finally:
        desk.fake.world.advance(-7200)

    assert isinstance(answer, Confirmed)
    assert [call.status for call in desk.fake.log.of(ORDER, method="POST")] == [200, 400, 200]
    assert desk.held == 0


@pytest.mark.parametrize("drift", [-3600, -2, -0.6, 0.6, 2, 3600])
def test_a_clock_that_is_wrong_is_measured_and_alarms(desk, drift, caplog):
    desk.fake.world.advance(drift)
    try:
        _, answer = desk.send(quantity="0.01")
    finally:
        desk.fake.world.advance(-drift)

    assert isinstance(answer, Confirmed)
    assert desk.client.drift.alarming
    assert abs(desk.client.drift.offset_ms - drift * 1000) < 400
    assert "clock of this machine" in caplog.text


def test_an_order_past_its_time_is_not_sent_and_one_that_froze_on_its_way_is_refused_there(desk):
    late = desk.request(valid_until=datetime.now(UTC) - timedelta(seconds=1))
    _, answer = desk.send(late)
    sent = desk.fake.log.count(ORDER, method="POST")

    held_up = desk.request(valid_until=datetime.now(UTC) + timedelta(seconds=2))
    desk.send(quantity="0.01")  # everything is verified and measured
    create = desk.client.create_order

    def frozen(*args, **kwargs):
        time.sleep(2.2)
        return create(*args, **kwargs)

    desk.client.create_order = frozen
    _, refused = desk.send(held_up)

    assert (answer.code, sent) == ("too_late", 0)
    assert refused.code in ("clock", "too_late")
    assert desk.held == Decimal("0.01")


def test_what_cannot_pass_is_denied_before_anything_leaves(desk):
    _, small = desk.send(type=OrderType.LIMIT, price="50000", quantity="0.001")
    _, nothing = desk.send(quantity="0.0004")
    _, unknown = desk.send(desk.request(symbol="PEPE/USDT:USDT"))

    assert [answer.code for answer in (small, nothing, unknown)] == [
        "notional_too_small",
        "quantity_too_small",
        "not_listed",
    ]
    assert not desk.fake.log.of(method="POST")


def test_reduce_only_never_opens(desk):
    _, answer = desk.stop()  # accepted: conditional orders are looked at when they trigger
    _, refused = desk.send(Side.SELL, "0.01", reduce_only=True)
    desk.fake.world.set_price(BTC, 48_000)
    desk.venue.open_orders()

    assert isinstance(answer, Confirmed)
    assert refused.code == "no_position"
    assert desk.held == 0


@pytest.mark.requirement("EXE-01")
def test_an_exit_larger_than_the_position_closes_it_and_no_more(desk):
    desk.send(quantity="0.01")
    desk.send(Side.SELL, "0.03", reduce_only=True)

    assert desk.held == 0


# --- Questions ---


@pytest.mark.parametrize("ask", ["positions", "wallet", "open_orders"])
def test_a_question_without_an_answer_raises_and_never_means_nothing(desk, ask):
    desk.send(quantity="0.01")
    desk.fake.world.maintenance = True

    with pytest.raises(Unanswered):
        getattr(desk.venue, ask)()


def test_a_question_is_repeated_where_an_order_is_not(desk):
    desk.send(quantity="0.01")
    desk.fake.faults.add("drop", "positionRisk", times=2)

    [position] = desk.venue.positions()

    assert (position.quantity, position.leverage, position.cost) == (Decimal("0.01"), 5, Decimal("500.05"))
    assert position.margin == Decimal("100.01")


def test_a_revoked_key_is_told_as_such(desk):
    desk.send(quantity="0.01")
    desk.account.revoked = True

    _, answer = desk.send(quantity="0.01")

    assert answer.code == "key_refused"
    with pytest.raises(KeyRefused):
        desk.venue.wallet()


@pytest.mark.requirement("EXE-03")
def test_an_order_that_is_shown_late_is_found_after_some_looks(desk):
    desk.fake.faults.add("drop", ORDER, method="POST")
    request = desk.request(quantity="0.01")
    desk.account.hidden[request.client_id] = 3
    _, answer = desk.send(request)

    looks = [desk.venue.order(request.client_id) for _ in range(4)]

    assert isinstance(answer, Unknown)
    assert looks[:3] == [None, None, None]
    assert looks[3].status is VenueStatus.FILLED


def test_an_outage_ends_by_itself(desk):
    desk.send(quantity="0.01")
    desk.fake.world.maintenance = True
    back = threading.Timer(0.4, lambda: setattr(desk.fake.world, "maintenance", False))
    back.start()

    assert desk.venue.wallet() > 9000
    back.join()


def test_ccxt_does_not_change_how_money_is_rounded(desk):
    before = (decimal.getcontext().rounding, decimal.getcontext().traps[decimal.Underflow])

    desk.send(quantity="0.01")

    assert (decimal.getcontext().rounding, decimal.getcontext().traps[decimal.Underflow]) == before
