"""A line holds what the serializer of its resource would have told of the same row."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.api import resources as bots
from bots.models import Decision
from bots.tests import rows
from ledger.api import lines, resources
from ledger.models import Order, Position, Trade
from ledger.tests import builders
from ledger.tests.builders import NOW
from ledger.valuation import marked

ODD = NOW + timedelta(microseconds=123456)


def orders(owner):
    book = builders.book(owner)
    builders.order(book)
    builders.order(
        book, filled=Decimal("0.03"), filled_value=Decimal("1501.1"), trigger=Decimal("0.000000000000000001"), at=ODD,
        price=None, state="cancelled", sent_at=ODD, position=builders.closed_position(book), reason="é «cut»",
    )  # fmt: skip
    return resources.OrderViewSet, Order.objects.all()


def trades(owner):
    book = builders.book(owner)
    builders.trade(book, fee=Decimal("1E+1"), maker=True)
    builders.trade(book, quantity="1234567890.123456789012345678", realised=Decimal("-0.5"), at=ODD)
    return resources.TradeViewSet, Trade.objects.all()


def positions(owner):
    builders.quote(price="50123.4")
    book = builders.book(owner)
    builders.position(book, trail=Decimal("0.015"), unprotected_since=ODD, expires_at=ODD)
    builders.position(book, quantity="-0.3", instrument=builders.instrument("ETH/USDT:USDT"))
    builders.closed_position(book, "-33.3", fees=Decimal("1.5"), funding=Decimal("-0.25"))
    return resources.PositionViewSet, marked(Position.objects.all())


def decisions(owner):
    made = rows.decision(rows.bot(owner), items=2, at=ODD)
    rows.item(made, intent=builders.intent(made.bot.book), quantity=Decimal("0.10"), invalidation={"kind": "x"})
    rows.decision(made.bot, items=0)
    return bots.DecisionViewSet, Decision.objects.all()


@pytest.mark.django_db
@pytest.mark.parametrize("make", [orders, trades, positions, decisions])
def test_a_line_is_what_the_serializer_tells(alice, make):
    view, told = make(alice)
    instances = list(told.order_by("pk"))
    if make is positions:
        for position in instances:
            position.unrealised = position.quantity and position.mark and position.holding.unrealised(position.mark)
            position.unrealised = position.unrealised or None
    expected = view.serializer_class(instances, many=True).data

    found = view().told(view.lines, told.model.objects.order_by("pk"))

    assert found == [
        dict(row) | ({"items": [dict(i) for i in row["items"]]} if "items" in row else {}) for row in expected
    ]
    assert [list(row) for row in found] == [list(row) for row in expected]


@given(st.decimals(-(10**12), 10**12, places=20))
def test_a_computed_amount_is_written_plainly(value):
    shown = lines.text(value)
    assert "E" not in shown
    assert not shown.startswith("-0") or Decimal(shown)
    assert abs(Decimal(shown) - value) <= Decimal("5E-19")
    assert "." not in shown or shown[-1] not in ".0"


@given(st.datetimes(timezones=st.just(NOW.tzinfo)))
def test_a_time_is_the_same_from_both_databases(at):
    assert lines.utc(str(at.replace(tzinfo=None))) == lines.utc(at)
    assert datetime.fromisoformat(lines.utc(at)) == at
