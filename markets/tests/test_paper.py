import json
import re
import threading
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from markets.domain import venue
from markets.domain.orders import (
    Confirmed,
    Fill,
    Income,
    OrderReport,
    OrderType,
    Refused,
    Side,
    Unknown,
    VenuePosition,
    VenueStatus,
)
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import VenueState
from markets.exchanges import paper, paper_market, paper_rows
from markets.exchanges.paper import PaperVenue
from markets.exchanges.report_json import KINDS, decode, encode, kind_of
from markets.models import Feed, FeedKind, Instrument, PaperAccount, PaperOrder, PaperPosition, PaperReport, Quote

from . import rows
from .trading import AT, PLAIN, SYMBOL, bar, d, order, quote

ETHER = "ETH/USDT:USDT"
EXACT = Decimal("0.123456789012345678")


@pytest.fixture
def feed(db) -> Feed:
    return rows.feed()


def make_instrument(symbol=SYMBOL, rules=PLAIN) -> Instrument:
    """An instrument whose rules are those of the pure tests."""
    names = {field.name for field in fields(rules)} - {"symbol", "base", "quote", "settle", "kind", "tiers", "closing"}
    tiers = [{field.name: str(getattr(tier, field.name)) for field in fields(tier)} for tier in rules.tiers]
    return rows.instrument(symbol, tiers=tiers, **{name: getattr(rules, name) for name in names})


def make_quote(feed, instrument, price=100) -> Quote:
    """A quote without a spread."""
    return rows.quote(instrument, price, feed=feed, bid=d(price), ask=d(price))


@pytest.fixture
def bitcoin(feed) -> Instrument:
    instrument = make_instrument()
    make_quote(feed, instrument)
    return instrument


@pytest.fixture
def ether(feed) -> Instrument:
    instrument = make_instrument(ETHER)
    make_quote(feed, instrument, 50)
    return instrument


def open_venue(feed, deposit=10_000) -> PaperVenue:
    account = paper.open_account(key=uuid4(), feed=feed, currency="USDT", deposit=d(deposit))
    return PaperVenue(account.key, feed)


@pytest.fixture
def desk(feed, bitcoin) -> PaperVenue:
    return open_venue(feed)


def heard(desk, after=0) -> list:
    return [numbered.report for numbered in desk.reports(after)]


def long_with_bracket(desk) -> None:
    desk.send(order("entry", "buy", 1, leverage=10))
    desk.send(order("stop", "sell", 1, "stop", 95, reduce_only=True))
    desk.send(order("target", "sell", 1, "target", 110, reduce_only=True))


# --- One account ------------------------------------------------------------------------------------------


@pytest.mark.requirement("EXE-01")
def test_an_entry_trades_at_the_newest_quote_and_is_all_told(desk):
    answer = desk.send(order("entry", "buy", 1, leverage=10))
    assert isinstance(answer, Confirmed)
    assert answer.report == desk.order("entry")
    assert answer.report.status is VenueStatus.FILLED
    assert desk.positions() == [VenuePosition(SYMBOL, d(1), d(100), d(10), 10)]
    assert desk.wallet() == d("9999.95")
    fill, report = heard(desk)
    assert (fill.trade_id, fill.price, fill.fee, fill.at) == ("1", 100, d("0.05"), AT)
    assert report == answer.report


def test_a_resting_order_is_kept_and_found(desk):
    answer = desk.send(order("wait", "buy", 1, "limit", "90.5", leverage=7))
    assert answer.report.status is VenueStatus.OPEN
    assert desk.open_orders() == [answer.report]
    assert desk.order("wait") == answer.report
    assert PaperOrder.objects.get().leverage == 7


def test_a_cancel_ends_the_order(desk):
    desk.send(order("wait", "buy", 1, "limit", 90))
    answer = desk.cancel("wait")
    assert answer.report.status is VenueStatus.CANCELLED
    assert desk.open_orders() == []
    assert desk.order("wait") == answer.report
    assert desk.cancel("wait") == Refused("not_live", "No live order has the client id wait.")


def test_a_used_client_id_may_come_again_once_its_order_is_closed(desk):
    desk.send(order("x", "buy", 1, "limit", 90))
    assert desk.send(order("x", "buy", 2, "limit", 90)).code == "duplicate_client_id"
    desk.cancel("x")
    desk.send(order("x", "buy", 3, "limit", 90))
    assert PaperOrder.objects.filter(client_id="x").count() == 2
    assert (desk.order("x").quantity, desk.order("x").status) == (3, VenueStatus.OPEN)


def test_a_refusal_leaves_no_trace(desk):
    before = desk.wallet()
    answer = desk.send(order("x", "buy", "0.0001"))
    assert isinstance(answer, Refused)
    assert desk.order("x") is None
    assert (desk.wallet(), heard(desk), PaperOrder.objects.count()) == (before, [], 0)


def test_without_a_price_an_order_is_refused_in_words(desk):
    make_instrument(ETHER)
    answer = desk.send(order("x", "buy", 1, symbol=ETHER))
    assert answer == Refused("no_price", "There is no price of ETH/USDT:USDT on this feed.")


def test_a_price_on_another_feed_is_no_price(bitcoin):
    other = open_venue(rows.feed("simulated-8"))
    assert other.send(order("x", "buy", 1)).code == "no_price"


def test_an_instrument_of_another_currency_is_refused(desk, feed):
    make_quote(feed, make_instrument("BTC/USDC:USDC"))
    assert desk.send(order("x", "buy", 1, symbol="BTC/USDC:USDC")).code == "wrong_currency"


def test_an_account_of_another_feed_is_not_found(desk, feed):
    stranger = PaperVenue(desk._key, rows.feed("simulated-8"))
    with pytest.raises(PaperAccount.DoesNotExist):
        stranger.send(order("x", "buy", 1))


def test_an_answer_is_unknown_only_where_the_database_fails(desk, monkeypatch):
    def failing(*_args, **_kwargs):
        raise OperationalError("database is locked")

    monkeypatch.setattr(paper_rows, "save", failing)
    for answer in (desk.send(order("x", "buy", 1)), desk.cancel("x")):
        assert isinstance(answer, Unknown | Refused)
    assert desk.send(order("x", "buy", 1)) == Unknown(
        "The database of the paper venue did not answer: database is locked"
    )
    monkeypatch.undo()
    assert (desk.order("x"), heard(desk), desk.wallet()) == (None, [], 10_000)


def test_reports_come_in_order_once_and_from_the_cursor(desk, feed, bitcoin):
    long_with_bracket(desk)
    paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 96)}, AT))
    numbered = desk.reports(0)
    cursors = [entry.cursor for entry in numbered]
    assert cursors == sorted(set(cursors))
    assert desk.reports(cursors[2]) == numbered[3:]
    assert desk.reports(cursors[-1]) == []
    trades = [entry.report.trade_id for entry in numbered if isinstance(entry.report, Fill)]
    assert trades == ["1", "2"]


def test_a_trade_id_cannot_be_reported_twice(desk):
    desk.send(order("entry", "buy", 1))
    report = PaperReport.objects.get(kind="fill")
    report.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        report.save(force_insert=True)


def test_nothing_of_another_account_is_seen(desk, feed):
    long_with_bracket(desk)
    stranger = open_venue(feed, 5)
    assert (stranger.order("stop"), stranger.wallet(), heard(stranger)) == (None, 5, [])
    assert (stranger.positions(), stranger.open_orders()) == ([], [])
    assert stranger.cancel("stop").code == "not_live"


def test_market_time_stamps_what_happens_on_a_feed_with_its_own_clock(desk, feed):
    feed.market_now = AT + timedelta(hours=3)
    feed.save()
    desk.send(order("x", "buy", 1, "limit", 90))
    assert desk.cancel("x").report.at == AT + timedelta(hours=3)
    assert heard(desk)[0].at == AT + timedelta(hours=3)


def test_on_a_live_feed_the_wall_clock_does(db):
    feed = rows.feed("binanceusdm", kind=FeedKind.LIVE)
    make_quote(feed, make_instrument())
    refused = open_venue(feed).send(order("old", "buy", 1))
    assert refused.code == "stale_price"  # the quote of a live market that has gone silent
    Quote.objects.update(at=timezone.now())
    report = open_venue(feed).send(order("x", "buy", 1)).report
    assert report.at > AT


# --- Rows and states --------------------------------------------------------------------------------------


def loaded_state(desk) -> VenueState:
    return paper_rows.load([PaperAccount.objects.get(key=desk._key)]).customers[0].state


def test_a_state_survives_its_rows_exactly(feed):
    fine = replace(PLAIN, tick=d("0.00000001"), step=d("0.000000001"), taker_fee=d("0.000333333333"))
    make_quote(feed, make_instrument(rules=fine), "97.12345678")
    desk, mirror = open_venue(feed, "1234.56789012"), VenueState(d("1234.56789012"))
    seen = QuoteView(*(d("97.12345678"),) * 4, AT, d(0))
    for request in (
        order("in", "buy", "1.123456789", leverage=3),
        order("some", "sell", "0.123456788", reduce_only=True),
        order("wait", "buy", "0.987654321", "limit", "90.00000001", leverage=3),
        order("stop", "sell", 1, "stop", "80.12345678", reduce_only=True),
    ):
        desk.send(request)
        answered = venue.submit(mirror, request, seen, fine, AT)
        assert isinstance(answered.answer, Confirmed), answered.answer
        mirror = answered.state
        assert loaded_state(desk) == mirror
    assert desk.wallet() == mirror.wallet


def test_what_is_flat_has_no_row(desk):
    desk.send(order("in", "buy", 1))
    desk.send(order("out", "sell", 1, reduce_only=True))
    assert not PaperPosition.objects.exists()
    assert desk.positions() == []


def test_a_flip_keeps_one_row(desk):
    desk.send(order("in", "buy", 1))
    desk.send(order("flip", "sell", 3))
    assert desk.positions()[0].quantity == -2
    assert PaperPosition.objects.count() == 1


def test_a_cut_order_is_told_as_it_was_filled(desk):
    desk.send(order("in", "buy", 1))
    desk.send(order("out", "sell", 5, reduce_only=True))
    assert (desk.order("out").status, desk.order("out").quantity) == (VenueStatus.FILLED, 1)


WRITE = re.compile(r"(\d+ times: )?(INSERT|UPDATE|DELETE) ")


def test_only_what_changed_is_written(desk, feed, bitcoin):
    long_with_bracket(desk)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 99, 100)}, AT))
    assert [q["sql"] for q in queries if WRITE.match(q["sql"])] == []
    with CaptureQueriesContext(connection) as queries:
        desk.cancel("target")
    written = [q["sql"].split('"')[1] for q in queries if WRITE.match(q["sql"])]
    assert sorted(written) == ["markets_paperorder", "markets_paperreport"]


decimals = st.decimals("-1000000000000", "1000000000000", places=18)
texts = st.text(max_size=30)
examples = st.one_of(
    st.builds(
        Fill,
        trade_id=texts,
        client_id=st.none() | texts,
        symbol=texts,
        side=st.sampled_from(list(Side)),
        quantity=decimals,
        price=decimals,
        fee=decimals,
        fee_currency=texts,
        maker=st.booleans(),
        realised=decimals,
        at=st.just(AT),
        liquidation=st.booleans(),
        leverage=st.none() | st.integers(1, 100),
    ),
    st.builds(
        Income,
        income_id=texts,
        kind=st.sampled_from(["funding", "liquidation"]),
        symbol=texts,
        amount=decimals,
        currency=texts,
        at=st.just(AT),
        rate=st.none() | decimals,
    ),
    st.builds(
        OrderReport,
        client_id=texts,
        venue_id=texts,
        symbol=texts,
        side=st.sampled_from(list(Side)),
        type=st.sampled_from(list(OrderType)),
        status=st.sampled_from(list(VenueStatus)),
        quantity=decimals,
        filled=decimals,
        at=st.just(AT),
        price=st.none() | decimals,
        trigger=st.none() | decimals,
        reduce_only=st.booleans(),
        reason=texts,
    ),
)


@settings(deadline=None)
@given(examples)
def test_a_report_survives_json_exactly(report):
    body = json.loads(json.dumps(encode(report)))
    again = decode(kind_of(report), body)
    assert again == report
    assert isinstance(again, KINDS[kind_of(report)])
    for field in fields(report):
        assert type(getattr(again, field.name)) is type(getattr(report, field.name))


# --- The feed moves everybody -----------------------------------------------------------------------------


def test_a_candle_takes_every_account_through(desk, feed, bitcoin):
    other = open_venue(feed)
    for one in (desk, other):
        long_with_bracket(one)
    paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 96)}, AT + timedelta(minutes=1)))
    for one in (desk, other):
        assert one.positions() == one.open_orders() == []
        assert one.order("stop").status is VenueStatus.FILLED
        assert one.order("target").reason == "position closed"
        assert one.order("stop").at == AT + timedelta(minutes=1)
        assert one.wallet() == 10_000 - d("0.05") - 5 - d("0.0475")


def test_an_open_fills_a_gap(desk, feed, bitcoin):
    long_with_bracket(desk)
    paper_market.drive(feed, paper_market.opens({bitcoin.pk: quote(93)}, AT))
    (fill,) = [report for report in heard(desk) if isinstance(report, Fill) and report.client_id == "stop"]
    assert fill.price == 93


def test_funding_is_settled_once(desk, feed, bitcoin):
    desk.send(order("in", "buy", 1, leverage=2))
    for _ in range(2):
        paper_market.drive(feed, paper_market.funding({bitcoin.pk: (d("0.0001"), d(100))}, AT))
    (income,) = [report for report in heard(desk) if isinstance(report, Income)]
    assert (income.amount, desk.wallet()) == (d("-0.01"), d("9999.94"))
    paper_market.drive(feed, paper_market.funding({bitcoin.pk: (d("0.0001"), d(100))}, AT + timedelta(hours=8)))
    assert desk.wallet() == d("9999.93")


def test_a_liquidation_reaches_the_rows(desk, feed, bitcoin):
    desk.send(order("in", "buy", 1, leverage=10))
    desk.send(order("more", "buy", 1, "limit", 50, leverage=10))
    paper_market.drive(feed, paper_market.opens({bitcoin.pk: quote(60)}, AT))
    assert desk.wallet() == d("9989.95")
    assert (desk.positions(), desk.open_orders()) == ([], [])
    assert [report.amount for report in heard(desk) if isinstance(report, Income)] == [30]


def test_a_partial_fill_reaches_the_rows(desk, feed, bitcoin):
    desk.send(order("wait", "buy", 1, "limit", 95, leverage=10))
    paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 100, volume=4)}, AT))
    report = desk.order("wait")
    assert (report.status, report.filled, report.quantity) == (VenueStatus.PARTLY_FILLED, d("0.4"), 1)
    paper_market.drive(feed, paper_market.opens({bitcoin.pk: quote(90)}, AT))
    assert desk.order("wait").status is VenueStatus.FILLED
    assert desk.positions()[0].quantity == 1


def test_several_instruments_move_one_account_in_a_fixed_order(desk, feed, bitcoin, ether):
    for symbol in (ETHER, SYMBOL):
        desk.send(order(f"in {symbol}", "buy", 1, symbol=symbol))
        desk.send(order(f"stop {symbol}", "sell", 1, "stop", 45, symbol=symbol, reduce_only=True))
    paper_market.drive(feed, paper_market.opens({ether.pk: quote(40), bitcoin.pk: quote(40)}, AT))
    fills = [report.symbol for report in heard(desk) if isinstance(report, Fill)][2:]
    assert fills == [SYMBOL, ETHER]
    assert desk.positions() == []


def test_other_feeds_and_instruments_stand_still(desk, feed, bitcoin, ether):
    long_with_bracket(desk)
    before = heard(desk)
    paper_market.drive(feed, paper_market.rest({ether.pk: bar(50, 99, 1, 50)}, AT))
    paper_market.drive(rows.feed("simulated-8"), paper_market.opens({bitcoin.pk: quote(1)}, AT))
    assert heard(desk) == before


def test_an_account_with_orders_elsewhere_keeps_its_reservation(desk, feed, bitcoin, ether):
    """What is free counts all instruments, also those that have no candle now."""
    desk.send(order("eth", "buy", 199, "limit", 49, symbol=ETHER))
    desk.send(order("btc", "buy", 2, "limit", 95))
    assert desk.send(order("more", "buy", 1)).code == "insufficient_margin"
    paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 100)}, AT))
    assert [position.symbol for position in desk.positions()] == [SYMBOL]


def test_the_step_belongs_to_its_caller(desk, feed, bitcoin):
    long_with_bracket(desk)
    before = heard(desk)
    with transaction.atomic():
        paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 96)}, AT))
        assert heard(desk) != before
        transaction.set_rollback(True)
    assert heard(desk) == before
    assert len(desk.open_orders()) == 2


def test_news_names_the_newest_report_of_each_account(desk, feed):
    other, quiet = open_venue(feed), open_venue(feed)
    desk.send(order("a", "buy", 1))
    other.send(order("a", "buy", 1, "limit", 90))
    assert paper.news(feed) == {desk._key: desk.reports(0)[-1].cursor, other._key: other.reports(0)[-1].cursor}
    assert quiet._key not in paper.news(feed)
    assert paper.news(rows.feed("simulated-8")) == {}


# --- How much it asks of the database ---------------------------------------------------------------------

STEPS = {
    "a candle that stops everybody out": lambda feed, pk: paper_market.drive(
        feed, paper_market.rest({pk: bar(100, 101, 94, 96)}, AT)
    ),
    "a candle in which nothing happens": lambda feed, pk: paper_market.drive(
        feed, paper_market.rest({pk: bar(100, 101, 99, 100)}, AT)
    ),
    "an open that liquidates everybody": lambda feed, pk: paper_market.drive(
        feed, paper_market.opens({pk: quote(50)}, AT)
    ),
    "funding": lambda feed, pk: paper_market.drive(feed, paper_market.funding({pk: (d("0.01"), d(100))}, AT)),
    "news": lambda feed, pk: paper.news(feed),
}
MOST = {"a candle in which nothing happens": 4, "news": 1}


@pytest.mark.parametrize("name", STEPS)
def test_the_number_of_queries_does_not_depend_on_the_number_of_accounts(feed, bitcoin, name):
    counts = []
    for accounts in (1, 19):
        for _ in range(accounts):
            long_with_bracket(open_venue(feed))
        with CaptureQueriesContext(connection) as queries, transaction.atomic(savepoint=False):
            STEPS[name](feed, bitcoin.pk)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= MOST.get(name, 9)


def test_a_feed_without_customers_asks_once(feed, bitcoin, django_assert_num_queries):
    open_venue(feed)
    with django_assert_num_queries(1):
        paper_market.drive(feed, paper_market.rest({bitcoin.pk: bar(100, 101, 94, 96)}, AT))


def test_an_order_is_one_short_transaction(desk, django_assert_max_num_queries):
    with django_assert_max_num_queries(11):  # with the savepoint of this test around it
        desk.send(order("in", "buy", 1))


# --- Paper and engine agree -------------------------------------------------------------------------------


class PaperIsTheEngine(TestCase):
    """The same events on the tables and in memory: the same answers, reports and state."""

    levels = st.integers(900, 1100)
    events = st.lists(
        st.one_of(
            st.tuples(
                st.just("send"),
                st.sampled_from(list(Side)),
                st.sampled_from(list(OrderType)),
                st.integers(1, 30),
                levels,
                st.booleans(),
            ),
            st.tuples(st.just("cancel"), st.integers(0, 15)),
            st.tuples(st.just("bar"), st.lists(levels, min_size=4, max_size=4), st.integers(0, 50)),
            st.tuples(st.just("open"), st.integers(500, 1500)),
            st.tuples(st.just("fund"), st.decimals("-0.05", "0.05", places=8), levels),
        ),
        max_size=15,
    )

    @pytest.mark.requirement("BKT-02")
    @settings(max_examples=40, deadline=None)
    @given(events)
    def test_paper_is_the_engine(self, events):
        feed = rows.feed()
        instrument = make_instrument()
        make_quote(feed, instrument)
        desk, state, said = open_venue(feed, 300), VenueState(d(300)), []
        for number, (what, *details) in enumerate(events):
            outcome, answer = self.play(what, details, number, feed, instrument, desk, state)
            if answer is not None:
                assert outcome.answer == answer
            state = outcome.state
            said.extend(outcome.reports)
            assert heard(desk) == said
            assert loaded_state(desk) == state

    def play(self, what, details, number, feed, instrument, desk, state):
        rules, at = instrument.rules, AT + timedelta(hours=number)
        if what == "send":
            side, kind, quantity, level, reduce_only = details
            level = None if kind is OrderType.MARKET else d(level) / 10
            request = order(str(number), side, d(quantity) / 10, kind, level, reduce_only=reduce_only, leverage=20)
            return venue.submit(state, request, quote(100, liquidity=0), rules, AT), desk.send(request)
        if what == "cancel":
            return venue.cancel(state, str(details[0]), AT), desk.cancel(str(details[0]))
        if what == "bar":
            (open_, *_, close), volume = details
            made = bar(*(d(p) / 10 for p in (open_, max(details[0]), min(details[0]), close)), volume=d(volume))
            paper_market.drive(feed, paper_market.rest({instrument.pk: made}, at))
            return venue.through(state, made, rules, at), None
        if what == "open":
            opening = quote(d(details[0]) / 10)
            paper_market.drive(feed, paper_market.opens({instrument.pk: opening}, at))
            return venue.open_at(state, opening, rules, at), None
        rate, mark = details[0], d(details[1]) / 10
        paper_market.drive(feed, paper_market.funding({instrument.pk: (rate, mark)}, at))
        return venue.fund(state, rate, mark, rules, at), None


# --- Two at once ------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_orders_at_once_cannot_spend_the_same_margin():
    feed = rows.feed()
    make_quote(feed, make_instrument())
    desk, answers = open_venue(feed, 105), []
    start = threading.Barrier(6)

    def send(number):
        start.wait()
        answers.append(desk.send(order(f"{number}", "buy", 1)))
        connections.close_all()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(answer).__name__ for answer in answers) == ["Confirmed"] + ["Refused"] * 5
    assert desk.positions()[0].quantity == 1
    assert desk.wallet() == d("104.95")
