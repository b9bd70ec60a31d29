import inspect
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from markets.domain import admission, venue
from markets.domain.orders import Confirmed, Fill, Income, OrderReport, Refused, Side, VenueStatus
from markets.domain.rounding import CASH_UNIT
from markets.domain.venue_state import Bar, VenueState, available, equity

from .trading import (
    AT,
    OTHER,
    PLAIN,
    RULES,
    SYMBOL,
    Desk,
    bar,
    d,
    desk,
    long_desk,
    order,
    quote,
    short_desk,
)

# --- A day that goes well ---------------------------------------------------------------------------------


@pytest.mark.requirement("EXE-01")
def test_a_long_from_entry_to_target():
    trader = desk(wallet=1000)
    report = trader.placed(order("in", "buy", 2, leverage=10), quote(100))
    assert (report.status, report.filled) == (VenueStatus.FILLED, 2)
    assert available(trader.state) == d("979.9")  # 20 of margin and 0.1 of fee
    trader.placed(order("stop", "sell", 2, "stop", 95, reduce_only=True), quote(100))
    trader.placed(order("target", "sell", 2, "target", 110, reduce_only=True), quote(100))

    assert trader.passes(100, 105, 98, 104) == []
    trader.opens(104)
    trader.passes(104, 112, 103, 111)

    entry, exit_ = trader.fills
    assert (entry.trade_id, entry.price, entry.fee, entry.realised) == ("1", 100, d("0.1"), 0)
    assert (exit_.trade_id, exit_.client_id, exit_.price) == ("2", "target", 110)
    assert (exit_.fee, exit_.realised) == (d("0.11"), 20)
    assert trader.told("target") == [("open", ""), ("filled", "")]
    assert trader.told("stop") == [("open", ""), ("cancelled", "position closed")]
    assert trader.state == VenueState(d("1019.79"), {}, (), 2)


def test_a_short_gains_when_the_price_falls():
    trader = short_desk()
    trader.placed(order("out", "buy", 1, reduce_only=True), quote(90))
    assert trader.fills[-1].realised == 10
    assert trader.state.wallet == 10_000 + 10 - d("0.05") - d("0.045")


def test_equity_is_the_wallet_plus_what_closing_would_realise():
    trader = long_desk()
    assert equity(trader.state, {SYMBOL: d(105)}) == trader.state.wallet + 5
    with pytest.raises(KeyError):
        equity(trader.state, {})


# --- Market orders ----------------------------------------------------------------------------------------


def test_a_market_order_takes_the_side_of_the_quote():
    trader = desk()
    trader.placed(order("in", "buy", 1), quote(100, bid="99.9", ask="100.1"))
    trader.placed(order("out", "sell", 1, reduce_only=True), quote(100, bid="99.9", ask="100.1"))
    assert [fill.price for fill in trader.fills] == [d("100.1"), d("99.9")]
    assert not any(fill.maker for fill in trader.fills)


def test_a_market_order_moves_the_price_by_its_size():
    rules = replace(PLAIN, impact=d("0.01"))
    trader = desk(rules=rules)
    trader.placed(order("in", "buy", 1), quote(100, bid="99.9", ask="100", liquidity=10_000))
    assert trader.fills[0].price == d("100.1")


def test_without_a_spread_in_the_quote_the_rules_give_one():
    trader = desk(rules=replace(PLAIN, half_spread=d("0.01")))
    trader.placed(order("in", "buy", 1), quote(100))
    assert trader.fills[0].price == 101


def test_fees_are_rounded_up_to_the_cash_unit():
    trader = desk(rules=replace(PLAIN, taker_fee=d("0.000333333333")))
    trader.placed(order("in", "buy", 1), quote(100))
    assert trader.fills[0].fee == d("0.03333334")


def test_adding_keeps_one_position_with_both_margins():
    trader = long_desk(leverage=10)
    trader.placed(order("more", "buy", 1, leverage=10), quote(120))
    assert (trader.position.quantity, trader.position.cost, trader.position.margin) == (2, 220, 22)


def test_reducing_gives_margin_back_in_proportion():
    trader = long_desk(quantity=4, leverage=10)
    trader.placed(order("less", "sell", 1, reduce_only=True), quote(110))
    assert (trader.position.quantity, trader.position.cost, trader.position.margin) == (3, 300, 30)
    assert trader.fills[-1].realised == 10


def test_a_flip_closes_with_one_trade_and_opens_with_another():
    trader = long_desk(quantity=1, leverage=10)
    trader.placed(order("stop", "sell", 1, "stop", 90, reduce_only=True), quote(100))
    report = trader.placed(order("flip", "sell", 3, leverage=5), quote(110))
    closing, opening = trader.fills[1:]
    assert (closing.quantity, closing.realised) == (1, 10)
    assert (opening.quantity, opening.realised) == (2, 0)
    assert (trader.position.quantity, trader.position.cost) == (-2, 220)
    assert (trader.position.margin, trader.position.leverage) == (44, 5)
    assert trader.told("flip") == [("partly_filled", ""), ("filled", "")]
    assert (report.quantity, report.filled) == (3, 3)
    assert trader.told("stop")[-1] == ("cancelled", "position closed")


def test_a_flip_that_the_account_cannot_carry_is_refused_whole():
    trader = long_desk(quantity=1, leverage=10, wallet=20)
    assert trader.refused(order("flip", "sell", 9, leverage=1), quote(100)) == "insufficient_margin"


def test_a_reduce_only_order_is_cut_to_the_position():
    trader = long_desk(quantity=1)
    report = trader.placed(order("out", "sell", 5, reduce_only=True), quote(100))
    assert (report.status, report.quantity, report.filled) == (VenueStatus.FILLED, 1, 1)
    assert trader.position is None


def test_a_reduce_only_order_pays_the_impact_of_what_it_trades():
    trader = long_desk(quantity=1, rules=replace(PLAIN, impact=d("0.01")))
    trader.placed(order("out", "sell", 1000, reduce_only=True), quote(100, bid=100, ask="100.1", liquidity=10_000))
    assert trader.fills[-1].price == d("99.9")


# --- Refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("client_id_invalid", order("", "buy", 1)),
        ("client_id_invalid", order("x" * 65, "buy", 1)),
        ("price_missing", order("x", "buy", 1, "limit")),
        ("price_missing", order("x", "buy", 1, "limit", 0)),
        ("price_missing", order("x", "buy", 1, "limit", "NaN")),
        ("trigger_missing", order("x", "buy", 1, "stop")),
        ("trigger_missing", order("x", "buy", 1, "target", -5)),
        ("quantity_invalid", order("x", "buy", 0)),
        ("quantity_invalid", order("x", "buy", -1)),
        ("quantity_invalid", order("x", "buy", "NaN")),
        ("quantity_invalid", order("x", "buy", "Infinity")),
        ("quantity_invalid", order("x", "buy", "1e15")),
        ("quantity_precision", order("x", "buy", "1.0001")),
        ("price_precision", order("x", "buy", 1, "limit", "99.95")),
        ("price_precision", order("x", "buy", 1, "stop", "100.15")),
        ("quantity_too_small", order("x", "buy", "0.001")),
        ("quantity_too_large", order("x", "buy", "1000.001")),
        ("notional_too_small", order("x", "buy", "0.049")),
        ("notional_too_small", order("x", "buy", "0.1", "limit", "49.9")),
        ("no_position", order("x", "sell", 1, reduce_only=True)),
        ("would_trigger", order("x", "sell", 1, "stop", 100)),
        ("would_trigger", order("x", "buy", 1, "stop", 100)),
        ("would_trigger", order("x", "sell", 1, "target", 100)),
        ("would_trigger", order("x", "buy", 1, "target", 100)),
        ("leverage_invalid", order("x", "buy", 1, leverage=0)),
        ("leverage_too_high", order("x", "buy", 1, leverage=101)),
        ("leverage_too_high", order("x", "buy", 500, leverage=51)),
        ("insufficient_margin", order("x", "buy", 100, leverage=1)),
        ("insufficient_margin", order("x", "buy", 100, "limit", 100, leverage=1)),
        ("insufficient_margin", order("x", "buy", 100, "stop", 101, leverage=1)),
    ],
)
def test_a_bad_order_is_refused_and_changes_nothing(code, request_):
    assert desk().refused(request_, quote(100)) == code


@pytest.mark.parametrize(
    "request_",
    [
        order("x" * 64, "buy", 1),
        order("x", "buy", "0.05"),
        order("x", "buy", "0.1", "limit", 50),
        order("x", "buy", 1, "limit", "99.9"),
        order("x", "sell", 1, "stop", "99.9"),
        order("x", "buy", 1, "stop", "100.1"),
        order("x", "sell", 1, "target", "100.1"),
        order("x", "buy", 1, "target", "99.9"),
        order("x", "buy", 1, leverage=100),
        order("x", "buy", "499.999", leverage=100),
        order("x", "buy", 500, leverage=50),
        order("x", "buy", 1000, leverage=50),
        order("x", "buy", 99, leverage=1),
    ],
)
def test_an_order_at_the_edge_of_what_is_allowed_is_taken(request_):
    assert isinstance(desk().send(request_, quote(100)), Confirmed)


def test_the_smallest_quantity_and_the_smallest_value_are_allowed():
    rules = replace(PLAIN, min_notional=d("0.2"))
    assert isinstance(desk(rules=rules).send(order("x", "buy", "0.002"), quote(100)), Confirmed)


def test_huge_numbers_are_refused_and_do_not_break():
    rules = replace(PLAIN, max_quantity=None)
    assert desk(rules=rules).refused(order("x", "buy", "1e14"), quote(10**6)) == "quantity_too_large"


def test_only_perpetuals_trade():
    assert desk(rules=replace(PLAIN, kind="spot")).refused(order("x", "buy", 1), quote(100)) == "not_supported"


def test_a_live_client_id_is_refused_and_may_come_again_when_its_order_is_closed():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 90), quote(100))
    assert trader.refused(order("x", "buy", 1, "limit", 91), quote(100)) == "duplicate_client_id"
    trader.cancel("x")
    trader.placed(order("x", "buy", 1, "limit", 91), quote(100))
    assert [status for status, _ in trader.told("x")] == ["open", "cancelled", "open"]


def test_a_reduce_only_order_on_the_side_of_the_position_is_refused():
    assert long_desk().refused(order("x", "buy", 1, reduce_only=True), quote(100)) == "wrong_side"
    assert short_desk().refused(order("x", "sell", 1, reduce_only=True), quote(100)) == "wrong_side"


def test_a_reduce_only_order_needs_no_minimum_value():
    trader = long_desk(quantity=1)
    trader.placed(order("x", "sell", "0.002", reduce_only=True), quote(100))
    assert trader.position.quantity == d("0.998")


def test_a_rest_below_the_minimum_quantity_can_be_closed_but_not_halved():
    rules = replace(PLAIN, min_quantity=d("0.5"))
    trader = long_desk(quantity=1, rules=rules)
    trader.placed(order("some", "sell", "0.6", reduce_only=True), quote(100))
    assert trader.refused(order("x", "sell", "0.2", reduce_only=True), quote(100)) == "quantity_too_small"
    trader.placed(order("rest", "sell", "0.4", reduce_only=True), quote(100))
    assert trader.position is None


def test_leverage_counts_the_position_and_the_entries_beside_it():
    trader = desk(wallet=100_000)
    trader.placed(order("a", "buy", 300, leverage=60), quote(100))
    trader.placed(order("b", "buy", 100, "limit", 99, leverage=60), quote(100))
    assert trader.refused(order("c", "buy", 100, leverage=60), quote(100)) == "leverage_too_high"
    trader.placed(order("c", "buy", 90, leverage=60), quote(100))


def test_leverage_of_a_position_cannot_change_while_it_is_open():
    trader = long_desk(leverage=10)
    assert trader.refused(order("more", "buy", 1, leverage=5), quote(100)) == "leverage_differs"
    assert trader.refused(order("more", "buy", 1, "limit", 90, leverage=20), quote(100)) == "leverage_differs"
    trader.placed(order("out", "sell", 1, reduce_only=True, leverage=3), quote(100))
    trader.placed(order("again", "buy", 1, leverage=5), quote(100))
    assert trader.position.leverage == 5


def test_entries_that_wait_on_one_side_share_their_leverage():
    trader = desk()
    trader.placed(order("a", "buy", 1, "limit", 90, leverage=10), quote(100))
    assert trader.refused(order("b", "buy", 1, "limit", 80, leverage=5), quote(100)) == "leverage_differs"
    trader.placed(order("c", "sell", 1, "limit", 110, leverage=5), quote(100))


def test_margin_and_fee_must_both_be_there():
    # 1 at 100 with leverage 10 needs 10 of margin and 0.05 of fee.
    assert desk(wallet="10.05").send(order("x", "buy", 1, leverage=10), quote(100)).report.filled == 1
    trader = desk(wallet="10.04999999")
    assert trader.refused(order("x", "buy", 1, leverage=10), quote(100)) == "insufficient_margin"


def test_a_refusal_says_what_is_needed_and_what_there_is():
    answer = desk(wallet=10).send(order("x", "buy", 1, leverage=10), quote(100))
    assert answer.message == "The order needs 10.05 USDT for margin and fee, and 10 USDT is available."


def test_resting_entries_reserve_and_their_end_releases():
    trader = desk(wallet=100)
    trader.placed(order("a", "buy", 5, "limit", 100, leverage=10), quote(101))
    assert available(trader.state) == 100 - 50 - d("0.25")
    assert trader.refused(order("b", "buy", 5, "limit", 100, leverage=10), quote(101)) == "insufficient_margin"
    trader.cancel("a")
    assert available(trader.state) == 100
    trader.placed(order("b", "buy", 5, "limit", 100, leverage=10), quote(101))


def test_reduce_only_orders_reserve_nothing():
    trader = long_desk(wallet="10.05")
    trader.placed(order("stop", "sell", 1, "stop", 95, reduce_only=True), quote(100))
    trader.placed(order("target", "sell", 1, "target", 105, reduce_only=True), quote(100))
    assert available(trader.state) == 0


def test_a_cancel_of_what_is_not_live_is_refused():
    trader = long_desk()
    for client_id in ("entry", "never"):
        answer = trader.cancel(client_id)
        assert isinstance(answer, Refused)
        assert answer.code == "not_live"


def test_a_cancel_is_confirmed_and_reported():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 90), quote(100))
    answer = trader.cancel("x")
    assert answer.report.status is VenueStatus.CANCELLED
    assert trader.heard[-1] == answer.report
    assert trader.state == desk().state


def test_the_codes_that_the_module_names_are_the_ones_it_gives():
    named = re.search(r"Codes: (.*?); and from", admission.__doc__, re.DOTALL).group(1)
    given = re.findall(r'Refused\(\s*"(\w+)"', inspect.getsource(admission))
    assert set(re.split(r",\s+", named)) == set(given)


def test_the_first_rule_that_refuses_speaks():
    state, bad = VenueState(d(1)), order("x", "buy", "-0.0001", "limit", "0.05", leverage=900)
    assert admission.refusal(admission.Application(state, bad, quote(100), PLAIN)).code == "quantity_invalid"


# --- Limits -----------------------------------------------------------------------------------------------


def test_a_limit_that_crosses_trades_at_once_as_taker():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 105), quote(100, bid="99.9", ask="100.1"))
    fill = trader.fills[0]
    assert (fill.price, fill.maker, fill.fee) == (d("100.1"), False, d("0.05005"))


def test_a_limit_that_crosses_pays_no_more_than_its_price():
    rules = replace(PLAIN, impact=d("0.5"))
    trader = desk(rules=rules)
    trader.placed(order("in", "buy", 1, "limit", "100.2"), quote(100, bid="99.9", ask="100.1", liquidity=1000))
    trader.placed(
        order("out", "sell", 1, "limit", "99.8", reduce_only=True), quote(100, bid="99.9", ask="100.1", liquidity=1000)
    )
    assert [fill.price for fill in trader.fills] == [d("100.2"), d("99.8")]


def test_a_limit_inside_the_spread_rests():
    trader = desk()
    report = trader.placed(order("x", "buy", 1, "limit", 100), quote(100, bid="99.9", ask="100.1"))
    assert report.status is VenueStatus.OPEN


def test_a_limit_trades_at_its_price_as_maker_when_the_market_goes_beyond_it():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 95), quote(100))
    trader.passes(100, 101, "94.9", 96)
    fill = trader.fills[0]
    assert (fill.price, fill.maker, fill.fee) == (95, True, d("0.019"))
    assert trader.told("x") == [("open", ""), ("filled", "")]


def test_a_limit_that_is_only_touched_does_not_trade():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 95), quote(100))
    assert trader.passes(100, 101, 95, 96) == []
    assert trader.opens(95) == []


def test_limits_of_a_candle_share_a_tenth_of_what_traded():
    trader = desk()
    trader.placed(order("a", "buy", "0.6", "limit", 95), quote(100))
    trader.placed(order("b", "buy", "0.6", "limit", 95), quote(100))
    trader.passes(100, 101, 90, 96, volume=10)
    assert [(fill.client_id, fill.quantity) for fill in trader.fills] == [("a", d("0.6")), ("b", d("0.4"))]
    assert trader.told("b") == [("open", ""), ("partly_filled", "")]
    trader.passes(96, 97, 94, 96, volume=10)
    assert trader.told("b")[-1] == ("filled", "")
    assert trader.position.quantity == d("1.2")


def test_the_share_is_cut_to_the_step_and_can_be_nothing():
    trader = desk()
    trader.placed(order("a", "buy", "0.6", "limit", 95), quote(100))
    assert trader.passes(100, 101, 90, 96, volume="0.009") == []
    trader.passes(100, 101, 90, 96, volume="0.0199")
    assert trader.fills[0].quantity == d("0.001")


def test_a_part_keeps_its_reservation_for_the_rest():
    trader = desk(wallet=100)
    trader.placed(order("a", "buy", 1, "limit", 100, leverage=2), quote(101))
    trader.passes(101, 102, 99, 100, volume=4)
    assert (trader.position.quantity, trader.position.margin) == (d("0.4"), 20)
    assert trader.state.orders[0].reserved == 30 + d("0.03")
    assert available(trader.state) == 100 - d("0.008") - 20 - d("30.03")


def test_an_open_beyond_the_limit_trades_all_of_it_at_its_own_price():
    trader = desk()
    trader.placed(order("x", "buy", 5, "limit", 95), quote(100))
    trader.opens(90)
    assert [(fill.price, fill.quantity, fill.maker) for fill in trader.fills] == [(95, 5, True)]


def test_a_sell_limit_waits_for_a_higher_price():
    trader = desk()
    trader.placed(order("x", "sell", 1, "limit", 105), quote(100))
    assert trader.passes(100, 105, 90, 96) == []
    trader.passes(100, "105.1", 90, 96)
    assert trader.position.quantity == -1


def test_a_limit_entry_may_be_stopped_out_in_the_candle_it_fills_in():
    trader = long_desk(leverage=10)
    trader.placed(order("more", "buy", 1, "limit", 97, leverage=10), quote(100))
    trader.placed(order("stop", "sell", 2, "stop", 95, reduce_only=True), quote(100))
    trader.passes(100, 101, 94, 99)
    assert [(fill.client_id, fill.price, fill.quantity) for fill in trader.fills[1:]] == [
        ("more", 97, 1),
        ("stop", 95, 2),
    ]


def test_an_entry_that_has_become_too_dear_is_cancelled_with_the_reason():
    rules = replace(PLAIN, half_spread=d("0.02"))
    trader = desk(wallet="55", rules=rules)
    trader.placed(order("x", "buy", 1, "stop", 109, leverage=2), quote(100, bid="99.9", ask=100))
    trader.passes(100, 110, 99, 105)
    assert trader.told("x") == [("open", ""), ("cancelled", "insufficient margin")]
    assert (trader.fills, available(trader.state)) == ([], 55)


def test_a_triggered_flip_closes_even_where_the_other_side_is_too_dear():
    trader = short_desk(leverage=10, wallet="828.1", rules=replace(PLAIN, half_spread=d("0.05")))
    trader.placed(order("flip", "buy", 40, "stop", 102, leverage=5), quote(100, bid="99.9", ask=100))
    trader.passes(100, 103, 97, 98)
    assert trader.position is None
    assert trader.told("flip") == [
        ("open", ""),
        ("partly_filled", ""),
        ("cancelled", "insufficient margin"),
    ]


# --- Stops, targets and the path inside a candle ----------------------------------------------------------


def protected_long(**fields) -> Desk:
    trader = long_desk(**fields)
    trader.placed(order("target", "sell", 1, "target", 105, reduce_only=True), quote(100))
    trader.placed(order("stop", "sell", 1, "stop", 95, reduce_only=True), quote(100))
    return trader


def protected_short(**fields) -> Desk:
    trader = short_desk(**fields)
    trader.placed(order("target", "buy", 1, "target", 95, reduce_only=True), quote(100))
    trader.placed(order("stop", "buy", 1, "stop", 105, reduce_only=True), quote(100))
    return trader


@pytest.mark.requirement("BKT-02")
@pytest.mark.parametrize("make", [protected_long, protected_short])
def test_where_stop_and_target_lie_inside_the_stop_comes_first(make):
    trader = make()
    trader.passes(100, 106, 94, 100)
    assert trader.fills[-1].client_id == "stop"
    assert trader.told("target")[-1] == ("cancelled", "position closed")


@pytest.mark.parametrize(
    ("make", "low", "high", "expected", "price"),
    [
        (protected_long, 95, 101, "stop", 95),
        (protected_long, 99, 105, "target", 105),
        (protected_short, 99, 105, "stop", 105),
        (protected_short, 95, 101, "target", 95),
    ],
)
def test_a_touch_is_enough_for_a_trigger(make, low, high, expected, price):
    trader = make()
    trader.passes(100, high, low, 100)
    assert (trader.fills[-1].client_id, trader.fills[-1].price) == (expected, price)
    assert trader.fills[-1].fee == d(price) * d("0.0005")


@pytest.mark.parametrize("make", [protected_long, protected_short])
def test_a_price_in_between_triggers_nothing(make):
    trader = make()
    assert trader.passes(100, "104.9", "95.1", 100) == []
    assert trader.opens("95.1") == []


@pytest.mark.requirement("BKT-02")
@pytest.mark.parametrize(
    ("make", "open_", "expected"),
    [
        (protected_long, 93, "stop"),
        (protected_long, 107, "target"),
        (protected_short, 107, "stop"),
        (protected_short, 93, "target"),
    ],
)
def test_a_gap_fills_at_the_open(make, open_, expected):
    trader = make()
    trader.opens(open_)
    assert (trader.fills[-1].client_id, trader.fills[-1].price) == (expected, open_)


def test_a_gap_pays_spread_and_impact_too():
    trader = protected_long(rules=replace(PLAIN, half_spread=d("0.001")))
    trader.opens(94, bid="93.9", ask="94.1")
    assert trader.fills[-1].price == d("93.9")


def test_inside_a_candle_triggers_pay_spread_and_impact_on_their_trigger():
    rules = replace(RULES, half_spread=d("0.001"), impact=d("0.01"))
    trader = protected_long(rules=rules)
    trader.passes(100, 101, 94, 100, volume=100)
    # 95 less 0.1 % and less 1 % of the root of 95 / 10,000, rounded down to the tick.
    assert trader.fills[-1].price == d("94.8")


def test_a_candle_whose_open_was_not_dealt_with_fills_at_its_open_and_not_better():
    trader = protected_long()
    trader.passes(93, 96, 92, 95)
    assert trader.fills[-1].price == 93


def test_a_stop_entry_opens_a_position():
    trader = desk()
    trader.placed(order("breakout", "buy", 1, "stop", 105, leverage=10), quote(100))
    assert available(trader.state) < 10_000
    trader.passes(100, 106, 99, 105)
    assert (trader.position.quantity, trader.position.cost) == (1, 105)


def test_triggers_at_one_price_go_by_age():
    trader = long_desk(quantity=2)
    trader.placed(order("first", "sell", 1, "stop", 95, reduce_only=True), quote(100))
    trader.placed(order("second", "sell", 1, "stop", 95, reduce_only=True), quote(100))
    trader.passes(100, 101, 94, 100)
    assert [fill.client_id for fill in trader.fills[1:]] == ["first", "second"]


def test_orders_of_other_instruments_are_left_alone():
    trader = protected_long()
    other = venue.submit(trader.state, order("eth", "buy", 1, "limit", 50, symbol=OTHER.symbol), quote(60), OTHER, AT)
    trader.state = other.state
    trader.passes(100, 101, 40, 100)
    assert [kept.client_id for kept in trader.state.orders] == ["eth"]


def test_nothing_happens_where_there_is_nothing():
    trader = desk()
    assert venue.through(trader.state, bar(100, 200, 1, 100), PLAIN, AT).state is trader.state
    assert venue.open_at(trader.state, quote(1), PLAIN, AT).state is trader.state
    assert venue.fund(trader.state, d("0.01"), d(100), PLAIN, AT).state is trader.state


def test_a_bar_comes_from_the_floats_of_a_candle_at_the_tick():
    made = Bar.of((100.04, 100.26, 99.94, 100.16), 12.5, PLAIN)
    assert made == bar("100", "100.3", "99.9", "100.2", volume="12.5")
    assert made.liquidity == d("1252.5")


def test_the_liquidity_of_a_bar_has_no_more_decimals_than_cash():
    made = Bar.of((1.2345, 1.2345, 1.2345, 1.2345), 0.12345678901234567, replace(PLAIN, tick=d("0.0001")))
    assert made.liquidity == d("0.15240741")


def test_a_market_order_waits_for_no_price():
    assert not admission.fires(order("x", "buy", 1), d(100))


# --- Liquidation ------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-02")
def test_liquidation_of_a_long_costs_exactly_its_margin():
    trader = long_desk(leverage=10)
    trader.placed(order("more", "buy", 1, "limit", 50, leverage=10), quote(100))
    before = trader.state.wallet
    trader.passes(100, 101, 90, 95)
    fill, income = trader.fills[-1], trader.income[0]
    # 90.36 by the formula: the first tick that reaches it is 90.3.
    assert (fill.client_id, fill.liquidation, fill.side, fill.price) == (None, True, Side.SELL, d("90.3"))
    assert (income.kind, income.amount) == ("liquidation", d("-0.3"))
    assert income.income_id == f"liquidation:{SYMBOL}:{fill.trade_id}"
    assert trader.state.wallet == before - 10
    assert trader.position is None
    assert trader.told("more")[-1] == ("cancelled", "position liquidated")
    assert trader.state.orders == ()


def test_liquidation_of_a_short():
    trader = short_desk(leverage=10)
    before = trader.state.wallet
    trader.passes(100, 110, 99, 105)
    assert trader.fills[-1].price == d("109.6")
    assert trader.state.wallet == before - 10


@pytest.mark.parametrize(
    ("make", "reached", "not_reached"), [(long_desk, "90.3", "90.4"), (short_desk, "109.6", "109.5")]
)
def test_liquidation_comes_with_the_first_tick_that_reaches_it(make, reached, not_reached):
    near = make()
    assert near.opens(not_reached) == []
    assert near.passes(100, max(d(100), d(not_reached)), min(d(100), d(not_reached)), 100) == []
    near.opens(reached)
    assert near.fills[-1].liquidation


@pytest.mark.parametrize(("make", "open_"), [(long_desk, 70), (short_desk, 130)])
def test_beyond_bankruptcy_the_insurance_fund_pays(make, open_):
    ruined = make(leverage=10)
    before = ruined.state.wallet
    ruined.opens(open_)
    assert ruined.fills[-1].price == open_
    assert ruined.fills[-1].realised == -30
    assert ruined.income[0].amount == 20
    assert ruined.state.wallet == before - 10


@pytest.mark.parametrize("make", [protected_long, protected_short])
def test_a_stop_nearer_than_the_liquidation_fires_first(make):
    trader = make(leverage=10)
    trader.passes(100, 120, 80, 100)
    assert trader.fills[-1].client_id == "stop"
    assert trader.income == []


def test_a_stop_beyond_the_liquidation_comes_too_late():
    trader = long_desk(leverage=10)
    trader.placed(order("stop", "sell", 1, "stop", 90, reduce_only=True), quote(100))
    trader.passes(100, 101, 80, 100)
    assert trader.fills[-1].liquidation
    assert trader.told("stop")[-1] == ("cancelled", "position liquidated")


def test_a_gap_beyond_stop_and_liquidation_liquidates():
    trader = protected_long(leverage=10)
    before = trader.state.wallet
    trader.opens(70)
    assert trader.fills[-1].liquidation
    assert trader.state.wallet == before - 10


def test_an_entry_that_fills_far_above_the_open_is_liquidated_there():
    trader = desk()
    trader.placed(order("x", "buy", 1, "limit", 95, leverage=20), quote(100))
    trader.opens(80)
    assert [fill.liquidation for fill in trader.fills] == [False, True]
    assert trader.state.wallet == 10_000 - d("0.019") - d("4.75")


def test_a_position_without_leverage_is_never_liquidated():
    trader = long_desk(leverage=1)
    assert trader.opens("0.1") == []


def test_slippage_never_costs_more_than_the_isolated_margin():
    """With 5 % of impact on 50 times leverage the price paid lies far beyond bankruptcy."""
    rules = replace(PLAIN, impact=d(10))
    trader = desk(rules=rules)
    trader.state = long_desk(leverage=50).state
    before = trader.state
    trader.placed(order("out", "sell", 1, reduce_only=True), quote(100, bid=100, ask="100.1", liquidity=1))
    fill = trader.fills[-1]
    assert fill.fee - fill.realised <= 2
    assert trader.state.wallet >= before.wallet - 2
    assert fill.price == d("98.1")


# --- Funding ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("BKT-02")
@pytest.mark.parametrize(("make", "sign"), [(long_desk, -1), (short_desk, 1)])
def test_longs_pay_a_positive_rate_and_shorts_receive_it(make, sign):
    funded = make()
    before = funded.state.wallet
    funded.funds("0.0001", 105)
    (income,) = funded.income
    assert (income.kind, income.amount, income.rate) == ("funding", sign * d("0.0105"), d("0.0001"))
    assert income.income_id == f"funding:{SYMBOL}:2025-05-01T12:00:00+00:00"
    assert funded.state.wallet == before + income.amount
    assert funded.position.margin == 10


def test_a_negative_rate_pays_the_other_way():
    trader = long_desk()
    trader.funds("-0.0001", 100)
    assert trader.income[0].amount == d("0.01")


def test_funding_is_rounded_against_the_account():
    paying, receiving = long_desk(), short_desk()
    paying.funds("0.000033333333", 100)
    receiving.funds("0.000033333333", 100)
    assert paying.income[0].amount == -receiving.income[0].amount - CASH_UNIT


def test_funding_of_nothing_is_not_reported():
    assert long_desk().funds(0, 100) == []
    assert desk().funds("0.01", 100) == []


def test_funding_beyond_available_cash_comes_out_of_the_margin():
    trader = long_desk(leverage=10, wallet="10.55")
    near = venue.ruin(trader.position, PLAIN)
    trader.funds("0.02", 100)
    assert trader.income[0].amount == -2
    assert (trader.position.margin, available(trader.state)) == (d("8.5"), 0)
    assert venue.ruin(trader.position, PLAIN) > near


def test_funding_that_the_margin_can_just_bear_leaves_the_position():
    trader = long_desk(leverage=10, wallet="10.05")
    trader.funds("0.09", 100)
    assert (trader.position.margin, trader.state.wallet) == (1, 1)


def test_funding_that_eats_the_margin_liquidates_and_takes_no_more():
    trader = long_desk(leverage=50, wallet="2.05")
    trader.funds("0.03", 100)
    assert [income.amount for income in trader.income] == [-2, 0]
    assert trader.fills[-1].liquidation
    assert (trader.position, trader.state.wallet) == (None, 0)


def test_a_reservation_is_not_touched_by_funding():
    trader = long_desk(leverage=10, wallet=100)
    trader.placed(order("more", "buy", 5, "limit", 99, leverage=10), quote(100))
    reserved = trader.state.orders[0].reserved
    trader.funds("0.45", 100)
    assert (available(trader.state), trader.position.margin) == (0, d("5.2025"))
    assert trader.state.orders[0].reserved == reserved


# --- What is reported -------------------------------------------------------------------------------------


def test_every_fill_is_followed_by_the_new_status_of_its_order():
    trader = protected_long()
    trader.passes(100, 101, 94, 100)
    for number, report in enumerate(trader.heard):
        if isinstance(report, Fill):
            after = trader.heard[number + 1]
            assert isinstance(after, OrderReport)
            assert after.client_id == report.client_id
            assert after.filled > 0


def test_the_reports_of_a_liquidation_come_as_fill_income_and_ends():
    trader = protected_long(leverage=50)
    heard = trader.passes(100, 101, 94, 100)
    assert [type(report) for report in heard] == [Fill, Income, OrderReport, OrderReport]


def test_the_same_day_gives_the_same_reports():
    first, second = protected_long(), protected_long()
    for trader in (first, second):
        trader.funds("0.0001", 101)
        trader.passes(100, 104, 96, 99)
        trader.opens(94)
    assert first.heard == second.heard
    assert first.state == second.state


def test_trades_are_numbered_without_gaps():
    trader = protected_long(leverage=10)
    trader.placed(order("flip", "sell", 3, leverage=2), quote(100))
    trader.opens(170)
    assert [fill.trade_id for fill in trader.fills] == ["1", "2", "3", "4"]
    assert trader.state.trades == 4
    assert all(isinstance(fill.price, Decimal) for fill in trader.fills)
