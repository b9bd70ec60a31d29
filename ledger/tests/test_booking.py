"""Whatever happens at the venue, the ledger ends with the same cash and positions, to the last unit."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import accounts, ordering, reports, valuation
from ledger.gateway import venue_of
from ledger.models import Book, CashEntry, Position, Trade
from ledger.reconciliation import differences
from ledger.tests.builders import SYMBOL
from ledger.tests.desk import Desk
from markets.domain.orders import Confirmed, OrderRequest, OrderType, Side
from markets.domain.venue_state import equity
from markets.exchanges import paper

pytestmark = pytest.mark.django_db


@pytest.mark.requirement("LED-04")
def test_a_fill_becomes_a_trade_a_position_and_cash():
    desk = Desk.open()
    desk.trade(desk.draft())

    trade, position = Trade.objects.get(), desk.position()
    assert (trade.quantity, trade.position_id, trade.order.role) == (Decimal("0.1"), position.pk, "entry")
    assert position.fees == trade.fee > 0
    assert desk.book.cash == Decimal(10000) - trade.fee
    assert CashEntry.objects.filter(book=desk.book, kind="fee").get().amount == -trade.fee


def test_reports_are_booked_once():
    desk = Desk.open()
    desk.trade(desk.draft())
    before = (Trade.objects.count(), desk.book.cash)
    desk.account.report_cursor = 0  # a collector that has slept

    reports.collect(account=desk.account, now=desk.now)
    desk.collect()
    assert (Trade.objects.count(), desk.book.cash) == before


@pytest.mark.requirement("LED-07")
def test_funding_is_an_entry_of_the_position():
    desk = Desk.open()
    desk.trade(desk.draft())
    desk.fund("0.0001", "50000")
    desk.fund("0.0001", "50000")  # the same settlement again

    assert desk.position().funding == Decimal("-0.5")
    assert CashEntry.objects.filter(kind="funding").get().amount == Decimal("-0.5")
    assert differences(desk.account) == []


@pytest.mark.requirement("LED-07")
def test_a_liquidation_costs_exactly_the_margin():
    desk = Desk.open()
    desk.trade(desk.draft(stop=Decimal(30000)))
    margin, cash = desk.position().margin, desk.book.cash

    desk.move("35000", sweep=False)

    closed = Position.objects.closed().get()
    assert closed.exit_reason == "liquidation"
    assert closed.realised == -margin
    assert desk.book.cash == cash - margin
    assert differences(desk.account) == []


@pytest.mark.requirement("LED-04")
def test_a_fill_of_an_order_that_was_written_off_joins_the_position_there_is():
    desk = Desk.open(capital="50000")
    [late] = desk.commit(desk.draft(stop=Decimal(48500)))
    ordering.claim(late)
    reports.resolve(account=desk.account, now=desk.now, alone=True)  # it never arrived, as far as one can tell
    desk.trade(desk.draft())
    request = OrderRequest(str(late.client_id), SYMBOL, Side.BUY, OrderType.MARKET, late.quantity, leverage=5)
    assert isinstance(venue_of(desk.account).send(request), Confirmed)

    desk.collect()

    position = desk.position()
    assert (position.quantity, position.stop) == (Decimal("0.2"), 49000)
    assert set(Trade.objects.values_list("position", flat=True)) == {position.pk}
    desk.move("50000")
    assert differences(desk.account) == []


def test_a_trade_made_elsewhere_lands_in_the_unassigned_book():
    desk = Desk.open()
    request = OrderRequest("by-hand", desk.instrument.symbol, Side.BUY, OrderType.MARKET, Decimal("0.01"))
    Book.objects.filter(pk=desk.book.pk).update(cash=Decimal(10000))
    assert isinstance(venue_of(desk.account).send(request), Confirmed)
    desk.collect()

    assert desk.position().book.kind == "unassigned"
    assert desk.position().intent is None
    assert Trade.objects.get().order is None
    assert differences(desk.account) == []


def test_the_journal_is_append_only():
    Desk.open()
    entry = CashEntry.objects.first()
    with pytest.raises(TypeError):
        entry.save()
    with pytest.raises(TypeError):
        entry.delete()


def test_a_book_cannot_take_more_than_is_unassigned():
    desk = Desk.open()
    with pytest.raises(accounts.NotEnough, match="unassigned"):
        accounts.open_book(account=desk.account, name="second", capital=Decimal(1), at=desk.now)


sides = st.sampled_from(Side)
quantities = st.integers(1, 400).map(lambda n: Decimal(n) * Decimal("0.001"))
prices = st.integers(4000, 6000).map(lambda n: Decimal(n) * 10)
events = st.lists(
    st.one_of(
        st.tuples(st.just("market"), sides, quantities, st.integers(1, 20)),
        st.tuples(st.just("limit"), sides, quantities, prices),
        st.tuples(st.just("stop"), sides, quantities, prices),
        st.tuples(st.just("move"), prices),
        st.tuples(st.just("fund"), st.integers(-50, 50)),
    ),
    min_size=1,
    max_size=25,
)


@pytest.mark.requirement("LED-04")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
def test_any_sequence_keeps_ledger_and_venue_equal_to_the_last_unit(db, sequence):
    from django.db import transaction

    with transaction.atomic():
        desk, price = Desk.open(), Decimal(50000)
        for number, event in enumerate(sequence):
            price = act(desk, number, event, price)
        desk.collect()
        # Orders here are sent by hand, so the ledger has no row for those that still rest.
        assert [d for d in differences(desk.account) if not d.what.startswith("order ")] == []
        portfolio = valuation.account_portfolio(account=desk.account)
        state = paper.paper_rows.load([paper.PaperAccount.objects.get(key=desk.account.key)]).customers[0].state
        assert portfolio.equity == equity(state, {desk.instrument.symbol: price})
        transaction.set_rollback(True)


def act(desk: Desk, number: int, event: tuple, price: Decimal) -> Decimal:
    match event:
        case ("market", side, quantity, leverage):
            request = OrderRequest(
                str(number), desk.instrument.symbol, side, OrderType.MARKET, quantity, leverage=leverage
            )
            venue_of(desk.account).send(request)
        case ("limit", side, quantity, at):
            request = OrderRequest(str(number), desk.instrument.symbol, side, OrderType.LIMIT, quantity, price=at)
            venue_of(desk.account).send(request)
        case ("stop", side, quantity, at):
            request = OrderRequest(
                str(number), desk.instrument.symbol, side, OrderType.STOP, quantity, trigger=at, reduce_only=True
            )
            venue_of(desk.account).send(request)
        case ("move", to):
            desk.move(to, sweep=False)
            return to
        case ("fund", rate):
            desk.now += type(desk.now - desk.now)(hours=1)
            desk.fund(str(Decimal(rate) / 10000), str(price))
    return price
