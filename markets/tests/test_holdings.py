from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from markets.domain.holdings import Holding
from markets.domain.orders import Side
from markets.domain.rounding import CASH_UNIT, round_cash

from .trading import d


def test_buying_and_selling_dearer_is_a_gain():
    held, realised = Holding().traded(Side.BUY, d("2"), d("100"))
    assert (held, realised) == (Holding(d("2"), d("200")), 0)
    held, realised = held.traded(Side.SELL, d("2"), d("110"))
    assert (held, realised) == (Holding(d("0"), d("0")), d("20"))


def test_selling_first_and_buying_back_cheaper_is_a_gain():
    held, _ = Holding().traded(Side.SELL, d("2"), d("100"))
    assert held == Holding(d("-2"), d("200"))
    assert held.traded(Side.BUY, d("2"), d("90")) == (Holding(d("0"), d("0")), d("20"))


def test_adding_averages_the_entry():
    held, _ = Holding(d("1"), d("100")).traded(Side.BUY, d("3"), d("120"))
    assert held.entry_price == d("115")


def test_a_part_releases_its_part_of_the_cost():
    held, realised = Holding(d("4"), d("400")).traded(Side.SELL, d("1"), d("90"))
    assert (held, realised) == (Holding(d("3"), d("300")), d("-10"))


def test_a_trade_through_flat_closes_and_opens():
    held, realised = Holding(d("1"), d("100")).traded(Side.SELL, d("3"), d("110"))
    assert (held, realised) == (Holding(d("-2"), d("220")), d("10"))


def test_unrealised_is_what_closing_would_realise():
    assert Holding(d("2"), d("200")).unrealised(d("105")) == d("10")
    assert Holding(d("-2"), d("200")).unrealised(d("105")) == d("-10")
    assert Holding().unrealised(d("105")) == 0


trades = st.lists(
    st.tuples(
        st.sampled_from(list(Side)), st.decimals("0.001", "90", places=3), st.decimals("0.0001", "9000", places=4)
    ),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(trades)
def test_money_is_neither_made_nor_lost_by_rounding(sequence):
    """Realised result plus unrealised at any mark is what the trades brought in, up to half a unit each."""
    held, realised, cash = Holding(), Decimal(0), Decimal(0)
    for side, quantity, price in sequence:
        held, gain = held.traded(side, quantity, price)
        realised += gain
        cash -= side.sign * quantity * price
    mark = d("123.4567")
    assert abs(realised + held.unrealised(mark) - (cash + held.quantity * mark)) <= CASH_UNIT * (len(sequence) + 1)
    assert held.quantity == sum(side.sign * quantity for side, quantity, _ in sequence)
    assert held.cost >= 0


@settings(deadline=None)
@given(trades)
def test_a_flat_holding_has_no_cost(sequence):
    held = Holding()
    for side, quantity, price in sequence:
        held, _ = held.traded(side, quantity, price)
    if held.quantity:
        held, _ = held.traded(Side.of(-held.quantity), abs(held.quantity), d("50"))
    assert (held.quantity, held.cost) == (0, 0)


@settings(deadline=None)
@given(trades)
def test_everything_is_in_whole_cash_units(sequence):
    held = Holding()
    for side, quantity, price in sequence:
        held, gain = held.traded(side, quantity, price)
        assert gain == round_cash(gain)
        assert held.cost == round_cash(held.cost)
