"""Quantities in as few orders as a venue takes: pure, and by the rules of every real market at hand."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain.fitting import fitted
from markets.domain.orders import OrderRequest, OrderType, Side
from markets.domain.splitting import MOST, pieces

from .test_fitting import _real_markets, rules

STEP = Decimal("0.001")


def test_what_fits_is_one_order_whatever_its_size():
    assert pieces(Decimal("0.1234567"), Decimal(10), STEP) == (Decimal("0.1234567"),)
    assert pieces(Decimal(10), Decimal(10), STEP) == (Decimal(10),)
    assert pieces(Decimal(10**9), None, STEP) == (Decimal(10**9),)


def test_a_large_quantity_goes_in_pieces_of_nearly_the_same_size():
    assert pieces(Decimal("0.1"), Decimal("0.04"), STEP) == (Decimal("0.034"), Decimal("0.033"), Decimal("0.033"))
    assert pieces(Decimal("10.001"), Decimal(10), STEP) == (Decimal("5.001"), Decimal("5.000"))


def test_what_is_too_much_for_one_go_is_begun_with_the_largest_orders():
    assert pieces(Decimal(1000), Decimal(1), STEP) == (Decimal(1),) * MOST


@given(st.integers(1, 10**9), st.integers(1, 10**8), st.sampled_from(["1", "0.1", "0.001", "10"]), st.integers(0, 99))
def test_pieces_are_the_whole_and_none_is_larger_than_the_largest(units, most, step, off):
    step = Decimal(step)
    quantity, largest = units * step + step * off / 100, most * step
    sizes = pieces(quantity, largest, step)
    assert sum(sizes) == quantity or (len(sizes) == MOST and sum(sizes) < quantity)
    assert all(0 < size // step * step <= largest for size in sizes) or len(sizes) == 1
    assert max(sizes) - min(sizes) < 2 * step


def _limits(market_data):
    """Symbol, step, smallest and largest order at the market, of each real market."""
    path = market_data / "ccxt-static" / "markets" / "aster.json"
    if not path.exists() or not (market_data / "payloads").is_dir():
        pytest.skip("There are no recorded markets of exchanges here.")
    for row in _real_markets(market_data):
        lot, market = (next(f for f in row["filters"] if f["filterType"] == n) for n in ("LOT_SIZE", "MARKET_LOT_SIZE"))
        yield row["symbol"], *(Decimal(v) for v in (lot["stepSize"], lot["minQty"], market["maxQty"]))
    for symbol, row in json.loads(path.read_text()).items():
        if row.get("swap"):
            limits = row["limits"]
            figures = row["precision"]["amount"], limits["amount"]["min"], limits["market"]["max"]
            yield symbol, *(Decimal(str(v)) for v in figures)


@pytest.mark.requirement("EXE-01")
def test_exits_of_any_size_pass_the_limits_of_every_real_market(market_data):
    listed = list(_limits(market_data))
    assert len(listed) > 100
    for symbol, step, least, largest in listed:
        own = rules(step, Decimal("0.0001"), max_quantity=largest)
        for share in ("0.5", "1", "1.0001", "1.5", "2", "3.7", "19.99", "20", "31.4"):
            quantity = own.quantity(largest * Decimal(share))
            sizes = pieces(quantity, own.max_quantity, own.step)
            assert sum(sizes) == min(quantity, MOST * own.quantity(largest)), symbol
            for size in sizes:
                sent = fitted(OrderRequest("x", symbol, Side.SELL, OrderType.MARKET, size, reduce_only=True), own)
                assert sent.quantity == size, symbol
                assert least <= sent.quantity <= largest, symbol
