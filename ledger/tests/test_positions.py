"""The figures of a position follow from its fills alone, to the last unit."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.domain.positions import Figures, after_fill
from markets.domain.holdings import Holding
from markets.domain.orders import Fill, Side
from markets.domain.rounding import CASH_UNIT

AT = datetime(2025, 5, 1, tzinfo=UTC)


def fill(
    side: Side, quantity: str | Decimal, price: str | Decimal, fee: str | Decimal = "0", realised: str = "0"
) -> Fill:
    return Fill(
        trade_id="1",
        client_id=None,
        symbol="BTC/USDT:USDT",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        fee=Decimal(fee),
        fee_currency="USDT",
        maker=False,
        realised=Decimal(realised),
        at=AT,
    )


def test_a_round_trip_realises_the_difference_and_ends_flat():
    figures, begun = after_fill(Figures(), fill(Side.BUY, "2", "100", "0.1"), 2)
    figures, begun = after_fill(figures, fill(Side.SELL, "2", "110", "0.11", "20"), 2)

    assert begun is None
    assert figures.quantity == figures.cost == 0
    assert figures.realised == Decimal(20)
    assert figures.fees == Decimal("0.21")
    assert (figures.size, figures.entry_value, figures.exit_value) == (Decimal(2), Decimal(200), Decimal(220))


def test_a_partial_exit_releases_cost_in_proportion():
    figures, _ = after_fill(Figures(), fill(Side.SELL, "3", "100"), 4)
    figures, _ = after_fill(figures, fill(Side.BUY, "1", "90", realised="10"), 4)

    assert (figures.quantity, figures.cost, figures.realised) == (Decimal(-2), Decimal(200), Decimal(10))
    assert figures.margin == Decimal(50)


def test_a_fill_through_flat_ends_one_position_and_begins_another():
    figures, _ = after_fill(Figures(), fill(Side.BUY, "1", "100"), 1)
    ended, begun = after_fill(figures, fill(Side.SELL, "3", "120", "0.36", "20"), 1)

    assert (ended.quantity, ended.realised, ended.fees) == (Decimal(0), Decimal(20), Decimal("0.12"))
    assert begun is not None
    assert (begun.quantity, begun.cost, begun.fees) == (Decimal(-2), Decimal(240), Decimal("0.24"))


def test_the_venues_own_result_counts_so_that_cash_is_its_wallet_to_the_last_unit():
    figures, _ = after_fill(Figures(), fill(Side.BUY, "3", "33.33"), 1)
    figures, _ = after_fill(figures, fill(Side.SELL, "1", "34", realised="0.67000001"), 1)

    assert figures.realised == Decimal("0.67000001")


units = st.integers(1, 10**9).map(lambda n: Decimal(n) * Decimal("0.00001"))
prices = st.integers(1, 10**8).map(lambda n: Decimal(n) * Decimal("0.01"))
fills = st.lists(
    st.builds(fill, st.sampled_from(Side), units, prices, prices.map(lambda p: p.quantize(CASH_UNIT))),
    min_size=1,
    max_size=30,
)


@pytest.mark.requirement("LED-03")
@given(fills)
def test_figures_agree_with_the_venue_formula_and_lose_no_fee(sequence):
    holding, realised_at_venue = Holding(), Decimal(0)
    figures, ended = Figures(), []
    for one in sequence:
        holding, result = holding.traded(one.side, one.quantity, one.price)
        realised_at_venue += result
        figures, begun = after_fill(figures, replace(one, realised=result), 3)
        if begun is not None:
            ended.append(figures)
            figures = begun

    assert (figures.quantity, figures.cost) == (holding.quantity, holding.cost)
    assert sum(f.realised for f in [*ended, figures]) == realised_at_venue
    assert sum(f.fees for f in [*ended, figures]) == sum(one.fee for one in sequence)
    assert all(f.quantity == 0 and f.cost == 0 for f in ended)
    assert figures.cost >= 0
