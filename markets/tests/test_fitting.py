"""Orders are rounded toward safety and denied early where they cannot pass, for the rules of every real market."""

import gzip
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from markets.domain.fitting import fitted
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import Denied, OrderRequest, OrderType, Side

from .live_desk import RULES

positive = st.decimals("0.00000001", "1000000", places=8)
steps = st.sampled_from(["0.001", "0.01", "0.1", "1", "10", "0.00001", "0.25"]).map(Decimal)


def request(type=OrderType.MARKET, side=Side.BUY, quantity="1", **how) -> OrderRequest:
    return OrderRequest("id", "BTC/USDT:USDT", side, type, Decimal(quantity), **how)


def rules(step, tick, **how) -> InstrumentRules:
    return replace(RULES, step=step, min_quantity=step, tick=tick, min_notional=Decimal(0), **how)


@pytest.mark.requirement("EXE-01")
@given(positive, steps, st.sampled_from(Side))
def test_quantities_only_shrink_and_by_less_than_a_step(quantity, step, side):
    asked = request(quantity=str(quantity), side=side)
    answer = fitted(asked, rules(step, Decimal("0.1")))

    if isinstance(answer, Denied):
        assert quantity < step
        assert answer.code == "quantity_too_small"
    else:
        assert 0 <= quantity - answer.quantity < step
        assert answer.quantity % step == 0


@pytest.mark.requirement("EXE-01")
@given(positive, steps, st.sampled_from(Side))
def test_a_limit_never_gets_worse_than_asked(price, tick, side):
    answer = fitted(request(OrderType.LIMIT, side, price=price), rules(Decimal("0.001"), tick))

    if isinstance(answer, Denied):
        assert answer.code == "price_invalid"
        assert price < tick
    else:
        assert answer.price % tick == 0
        assert (answer.price - price) * side.sign <= 0
        assert abs(answer.price - price) < tick


@pytest.mark.requirement("EXE-04")
@given(positive, steps, st.sampled_from(Side), st.sampled_from([OrderType.STOP, OrderType.TARGET]))
def test_triggers_move_toward_the_market(trigger, tick, side, type):
    asked = request(type, side, trigger=trigger, reduce_only=True)
    answer = fitted(asked, rules(Decimal("0.001"), tick))
    below_the_market = (side is Side.SELL) == (type is OrderType.STOP)

    if isinstance(answer, Denied):
        assert answer.code == "trigger_invalid"
    else:
        assert answer.trigger % tick == 0
        assert abs(answer.trigger - trigger) < tick
        assert answer.trigger >= trigger if below_the_market else answer.trigger <= trigger


@given(st.sampled_from(["NaN", "Infinity", "-1", "0", "-Infinity"]).map(Decimal))
def test_what_is_no_number_above_zero_is_denied(bad):
    assert fitted(replace(request(), quantity=bad), RULES).code == "quantity_invalid"
    assert fitted(request(OrderType.LIMIT, price=bad), RULES).code == "price_missing"
    assert fitted(request(OrderType.STOP, trigger=bad), RULES).code == "trigger_missing"


def test_minimums_and_maximums_are_known_before_sending():
    small = fitted(request(OrderType.LIMIT, quantity="0.001", price=Decimal(99_000)), RULES)
    large = fitted(request(quantity="2"), replace(RULES, max_quantity=Decimal(1)))
    leave = request(OrderType.LIMIT, Side.SELL, "0.001", price=Decimal(99_000), reduce_only=True)

    assert small.code == "notional_too_small"
    assert large.code == "quantity_too_large"
    assert not isinstance(fitted(leave, RULES), Denied)


@pytest.mark.requirement("EXE-01")
def test_orders_for_every_real_market_pass_its_filters(market_data):
    listed = _real_markets(market_data)
    assert len(listed) > 100
    for row in listed:
        filters = {one["filterType"]: one for one in row["filters"]}
        step, tick = Decimal(filters["LOT_SIZE"]["stepSize"]), Decimal(filters["PRICE_FILTER"]["tickSize"])
        own = rules(step, tick, max_quantity=Decimal(filters["LOT_SIZE"]["maxQty"]))
        for quantity in ("1", "3.14159265", "777.7777777"):
            for price in (Decimal("0.0123456789"), Decimal("12.3456789"), Decimal("34567.891234")):
                answer = fitted(request(OrderType.LIMIT, quantity=quantity, price=price), own)
                if isinstance(answer, Denied):
                    assert Decimal(quantity) < step or price < tick or Decimal(quantity) > own.max_quantity
                else:
                    assert answer.quantity % step == 0 == answer.price % tick


def _real_markets(folder: Path):
    for path in sorted((folder / "payloads").rglob("*.gz")):
        for line in gzip.open(path, "rt"):
            if '"PERCENT_PRICE"' in line and '"contractType"' in line:
                text = line[line.index("{") :]
                return _symbols(json.loads(text[: text.rindex("}") + 1]))
    raise AssertionError("There is no recorded exchangeInfo.")


def _symbols(told):
    return told["symbols"] if "symbols" in told else _symbols(told["data"])
