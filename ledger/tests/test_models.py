"""What the database itself refuses, whoever writes."""

import pytest
from django.db import IntegrityError, transaction

from ledger.models import Order, OrderState, Position, PositionState
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db


def refused(rows, **change):
    with pytest.raises(IntegrityError, match="by_state"), transaction.atomic():
        rows.update(**change)


@pytest.mark.parametrize("state", OrderState)
def test_an_order_has_an_end_exactly_where_its_state_is_one(state):
    live = state in OrderState.live()
    rows = Order.objects.filter(pk=builders.order(state=state).pk)

    refused(rows, closed_at=NOW if live else None)
    refused(rows, state=OrderState.FILLED if live else OrderState.OPEN)
    assert rows.live().exists() == live


@pytest.mark.parametrize("state", PositionState)
def test_a_position_has_an_end_exactly_where_it_is_closed(state):
    closed = state == PositionState.CLOSED
    made = builders.closed_position() if closed else builders.position(state=state)
    rows = Position.objects.filter(pk=made.pk)

    refused(rows, closed_at=None if closed else NOW)
    refused(rows, state=PositionState.OPEN if closed else PositionState.CLOSED)
    assert rows.current().exists() == (not closed)
