"""Whatever is ordered and whatever the market does, the venue's books balance to the last unit."""

import random
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pyarrow.parquet as parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain import venue
from markets.domain.candles import instant
from markets.domain.holdings import Holding
from markets.domain.instruments import MarginTier
from markets.domain.margin import initial_margin
from markets.domain.orders import Confirmed, Fill, Income, OrderReport, OrderType, Side, VenueStatus
from markets.domain.rounding import CASH_UNIT, ZERO, round_cash, round_cash_up
from markets.domain.venue_state import Bar, VenueState, available

from .trading import AT, OTHER, RULES, d, order, quote

BITCOIN = RULES
# Awkward on purpose: a maker rebate, long fees, whole lots, a wide spread, tiers that bite early.
ETHER = replace(
    OTHER,
    tick=d("0.01"),
    step=d(1),
    min_quantity=d(1),
    maker_fee=d("-0.00012345"),
    taker_fee=d("0.00067891"),
    half_spread=d("0.003"),
    impact=d("0.05"),
    tiers=(MarginTier(d(0), d("0.01"), d(0), 50), MarginTier(d(2000), d("0.02"), d(20), 25)),
)
MARKET = {rules.symbol: rules for rules in (BITCOIN, ETHER)}

symbols = st.sampled_from(list(MARKET))
levels = st.integers(850, 1150)  # tenths: prices from 85 to 115
orders = st.tuples(
    st.just("order"),
    symbols,
    st.sampled_from(list(Side)),
    st.sampled_from(list(OrderType)),
    st.integers(1, 40),
    levels,
    st.booleans(),
    st.sampled_from([1, 3, 20, 50]),
    levels,
)
cancels = st.tuples(st.just("cancel"), symbols, st.integers(0, 30))
opens = st.tuples(st.just("open"), symbols, levels, st.integers(0, 10**6))
bars = st.tuples(st.just("bar"), symbols, st.lists(levels, min_size=4, max_size=4), st.integers(0, 300))
fundings = st.tuples(st.just("fund"), symbols, st.decimals("-0.1", "0.1", places=8), levels)
crashes = st.tuples(st.just("open"), symbols, st.integers(100, 3000), st.integers(0, 10**6))
days = st.lists(st.one_of(orders, orders, orders, cancels, opens, bars, bars, fundings, crashes), max_size=40)
calm_days = st.lists(st.one_of(orders, orders, cancels, opens, bars, crashes), max_size=40)
wallets = st.decimals("1", "3000", places=8)


class Day:
    """Plays a list of events on one account, and hears everything."""

    def __init__(self, wallet):
        self.initial = wallet
        self.state = VenueState(wallet)
        self.heard = []
        self.requests = {}
        self.number = 0

    def play(self, event):
        """The reports of one event."""
        what, symbol, *rest = event
        self.number += 1
        return self.hear(getattr(self, f"_{what}")(MARKET[symbol], *rest))

    def hear(self, outcome):
        self.state = outcome.state
        self.heard.extend(outcome.reports)
        return outcome.reports

    def send(self, request, at_quote, rules, at):
        """The answered request; a refusal has changed nothing."""
        answered = venue.submit(self.state, request, at_quote, rules, at)
        if isinstance(answered.answer, Confirmed):
            self.requests[request.client_id] = request
        else:
            assert answered.state is self.state
            assert answered.reports == ()
        return answered

    def _order(self, rules, side, kind, quantity, level, reduce_only, leverage, last):
        step = d("0.05") if rules is BITCOIN else d(1)
        request = order(
            f"{self.number}",
            side,
            quantity * step,
            kind,
            None if kind is OrderType.MARKET else d(level) / 10,
            symbol=rules.symbol,
            reduce_only=reduce_only,
            leverage=leverage,
        )
        return self.send(request, quote(d(last) / 10, liquidity=5000), rules, AT)

    def _cancel(self, rules, number):
        return venue.cancel(self.state, f"{number}", AT)

    def _open(self, rules, level, liquidity):
        return venue.open_at(self.state, quote(d(level) / 10, liquidity=liquidity), rules, AT)

    def _bar(self, rules, prices, volume):
        open_, *_, close = prices
        made = (open_, max(prices), min(prices), close)
        return venue.through(self.state, Bar(*(d(p) / 10 for p in made), d(volume) / 10), rules, AT)

    def _fund(self, rules, rate, mark):
        return venue.fund(self.state, rate, d(mark) / 10, rules, AT)


def check_cash(day):
    fills = [report for report in day.heard if isinstance(report, Fill)]
    income = sum((report.amount for report in day.heard if isinstance(report, Income)), ZERO)
    realised = sum((fill.realised for fill in fills), ZERO)
    fees = sum((fill.fee for fill in fills), ZERO)
    assert day.state.wallet == day.initial + realised - fees + income
    assert day.state.wallet == round_cash(day.state.wallet)


def check_solvency(day):
    margins = sum((held.margin for held in day.state.positions.values()), ZERO)
    assert day.state.wallet >= margins >= 0
    assert available(day.state) >= 0
    assert all(held.margin >= 0 for held in day.state.positions.values())


def check_positions(day):
    holdings = defaultdict(Holding)
    for report in day.heard:
        if isinstance(report, Fill):
            before = holdings[report.symbol]
            after, realised = before.traded(report.side, report.quantity, report.price)
            assert realised == report.realised
            # Each fill either opens or closes: a flip is two.
            assert not before.quantity * after.quantity < 0
            request = day.requests.get(report.client_id)
            if report.liquidation or request.reduce_only:
                assert abs(after.quantity) < abs(before.quantity)
            holdings[report.symbol] = after
    rebuilt = {symbol: (held.quantity, held.cost) for symbol, held in holdings.items() if held.quantity}
    assert rebuilt == {symbol: (held.quantity, held.cost) for symbol, held in day.state.positions.items()}


def check_orders(day):
    filled, ended = defaultdict(Decimal), set()
    for report in day.heard:
        if isinstance(report, Fill):
            filled[report.client_id] += report.quantity
        elif isinstance(report, OrderReport):
            assert report.client_id not in ended
            assert report.filled == filled[report.client_id] <= report.quantity
            if report.status is VenueStatus.FILLED:
                assert report.filled == report.quantity
            if not report.status.live:
                ended.add(report.client_id)
    live = {kept.client_id for kept in day.state.orders}
    assert live == day.requests.keys() - ended
    for kept in day.state.orders:
        if kept.request.reduce_only:
            assert day.state.positions[kept.request.symbol].quantity * kept.request.side.sign < 0


@pytest.mark.requirement("LED-04")
@settings(max_examples=400, deadline=None)
@given(wallets, days)
def test_the_books_balance_after_every_event(wallet, events):
    day = Day(wallet)
    for event in events:
        day.play(event)
        check_cash(day)
        check_solvency(day)
        check_positions(day)
        check_orders(day)


@settings(max_examples=100, deadline=None)
@given(wallets, days)
def test_the_same_events_give_the_same_reports(wallet, events):
    first, second = Day(wallet), Day(wallet)
    for event in events:
        assert first.play(event) == second.play(event)
    assert first.state == second.state


@settings(max_examples=300, deadline=None)
@given(wallets, calm_days)
def test_a_position_never_loses_more_than_its_isolated_margin(wallet, events):
    """Margins are rebuilt from the fills; each close loses at most its share, a liquidation exactly all of it."""
    day, margins, sizes = Day(wallet), defaultdict(Decimal), defaultdict(Decimal)
    for event in events:
        heard = day.play(event)
        for number, report in enumerate(heard):
            if not isinstance(report, Fill):
                continue
            margin, size = margins[report.symbol], sizes[report.symbol]
            moved = report.side.sign * report.quantity
            if size * moved >= 0:
                leverage = day.requests[report.client_id].leverage
                margins[report.symbol] += initial_margin(round_cash(report.quantity * report.price), leverage)
            else:
                margins[report.symbol] = round_cash_up(margin * abs(size + moved) / abs(size))
                lost = report.fee - report.realised
                if report.liquidation:
                    assert lost - heard[number + 1].amount == margin
                else:
                    assert lost <= margin - margins[report.symbol]
            sizes[report.symbol] += moved
        assert {s: m for s, m in margins.items() if sizes[s]} == {
            symbol: held.margin for symbol, held in day.state.positions.items()
        }


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(list(Side)),
    st.integers(2, 30),
    st.integers(2, 140),
    st.integers(2, 140),
    st.lists(levels, min_size=2, max_size=2),
    st.integers(950, 1050),
)
def test_a_stop_inside_the_candle_always_comes_before_the_target(side, quantity, near, far, ends, open_):
    """Whatever the distances: if the candle has touched the stop, the position is gone and never at its target."""
    day = Day(d(100_000))
    day.play(("order", BITCOIN.symbol, side, OrderType.MARKET, quantity, 0, False, 1, open_))
    stop, target = open_ - side.sign * near, open_ + side.sign * far
    for kind, level in ((OrderType.TARGET, target), (OrderType.STOP, stop)):
        day.play(("order", BITCOIN.symbol, side.opposite, kind, quantity, level, True, 1, open_))
    day.play(("bar", BITCOIN.symbol, [open_, *ends, open_], 10**6))
    touched = min(open_, *ends) <= stop if side is Side.BUY else max(open_, *ends) >= stop
    reached = max(open_, *ends) >= target if side is Side.BUY else min(open_, *ends) <= target
    last = [report.client_id for report in day.heard if isinstance(report, Fill)][-1]
    assert last == ("3" if touched else "2" if reached else "1")


@settings(deadline=None)
@given(st.sampled_from(list(Side)), levels, levels)
def test_a_trigger_never_pays_better_than_its_level_or_the_open(side, level, open_):
    """Sold at a stop, one gets at most the trigger; after a gap at most the open."""
    day = Day(d(100_000))
    day.play(("order", BITCOIN.symbol, side, OrderType.MARKET, 20, 0, False, 1, 1000))
    placed = day.play(("order", BITCOIN.symbol, side.opposite, OrderType.STOP, 20, level, True, 1, 1000))
    if not placed:
        return
    for event in (("open", BITCOIN.symbol, open_, 10**6), ("bar", BITCOIN.symbol, [open_, level, level, level], 10**6)):
        for report in day.play(event):
            if isinstance(report, Fill):
                worse = min(level, open_) if side is Side.BUY else max(level, open_)
                assert (report.price - d(worse) / 10) * side.sign <= CASH_UNIT


def real_days(folder, symbol, days):
    """(open time, prices, volume) of one-minute candles, oldest first."""
    table = parquet.read_table(folder / f"binanceusdm-1m-2025-05/binanceusdm/{symbol}-1m.parquet")
    columns = [
        table[name].to_numpy()[: days * 1440] for name in ("timestamp", "open", "high", "low", "close", "volume")
    ]
    return zip(columns[0], zip(*columns[1:5], strict=True), columns[5], strict=True)


@pytest.mark.requirement("BKT-02")
def test_two_weeks_of_real_minutes_balance_and_trade_only_where_the_market_was(market_data):
    """A coin-flipping trader with brackets and resting limits on real candles of an instrument that moves."""
    rules = replace(BITCOIN, tick=d("0.0001"), step=d("0.1"), min_quantity=d("0.1"))
    day, draw = Day(d(10_000)), random.Random(7)
    for minute, prices, volume in real_days(market_data, "XRP_USDT_USDT", 14):
        bar = Bar.of(prices, float(volume), rules)
        for outcome in a_minute(day, draw, int(minute), bar, rules):
            for fill in filter(lambda report: isinstance(report, Fill), day.hear(outcome)):
                check_market(fill, bar)
        check_solvency(day)
    check_cash(day)
    check_positions(day)
    check_orders(day)
    kinds = {(fill.maker, fill.liquidation) for fill in day.heard if isinstance(fill, Fill)}
    assert kinds == {(False, False), (True, False), (False, True)}


def check_market(fill, bar):
    """Makers trade where the market went beyond them, takers within spread and impact of where it was."""
    if fill.maker:
        assert fill.price < bar.high if fill.side is Side.SELL else fill.price > bar.low
    elif not fill.liquidation:
        assert bar.low * d("0.98") <= fill.price <= bar.high * d("1.02")


def a_minute(day, draw, minute, bar, rules):
    """The outcomes of one minute, each from the state after the one before."""
    at, opening = instant(minute), quote(bar.open, liquidity=bar.liquidity)
    yield venue.open_at(day.state, opening, rules, at)
    if minute % (480 * 60_000) == 0:
        yield venue.fund(day.state, d("0.0003"), bar.open, rules, at)
    if minute % (30 * 60_000) == 0:
        for request in wanted(draw, opening, rules, f"{minute}"):
            yield day.send(request, opening, rules, at)
    yield venue.through(day.state, bar, rules, at)


def wanted(draw, opening, rules, name):
    """An entry at random with a stop, a target and a limit that adds."""
    side = draw.choice(list(Side))
    near = draw.choice(["-0.8", "-3"])
    quantity = rules.quantity(Decimal(1000) / opening.last)
    for role, way, kind, percent in (
        ("entry", side, OrderType.MARKET, None),
        ("add", side, OrderType.LIMIT, "-0.3"),
        ("stop", side.opposite, OrderType.STOP, near),
        ("target", side.opposite, OrderType.TARGET, "0.9"),
    ):
        level = percent and rules.price(opening.last * (100 + side.sign * d(percent)) / 100)
        reduces = role in ("stop", "target")
        yield order(f"{name}{role}", way, quantity, kind, level, reduce_only=reduces, leverage=50)
