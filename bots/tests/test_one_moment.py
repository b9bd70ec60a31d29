"""Figures that belong together are of one moment, whatever is booked while they are read."""

from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from bots import fragments
from bots.tests import rows
from ledger import closing
from ledger.models import Position
from ledger.tests.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk():
    """Its bot's book holds a position with an unrealised result."""
    desk = Desk.open()
    rows.bot(desk.account.owner, book=desk.book, instruments=[desk.instrument])
    desk.trade(desk.draft())
    desk.move("51000")
    return desk


@contextmanager
def closed_meanwhile(desk):
    """The first statement that reads positions finds them closed by another connection just before."""
    left = [desk.account]

    def close(account):
        closing.close(account=account, instrument_id=desk.instrument.pk, why="test", now=desk.now)
        connections.close_all()

    def before(execute, sql, params, many, context):
        if left and sql.startswith("SELECT") and 'FROM "ledger_position"' in sql:
            other = Thread(target=close, args=[left.pop()])
            other.start()
            other.join()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(before):
        yield
    assert not Position.objects.current().exists()


def api(desk, path):
    client = APIClient()
    client.force_login(desk.account.owner)
    return client.get(f"/api/v1/{path}/").json()["results"]


def page(desk, name):
    return fragments.context(name, desk.account.owner, {}, datetime.now(UTC))


READINGS = {
    "account": lambda desk: api(desk, "accounts")[0]["equity"],
    "book": lambda desk: next(row["equity"] for row in api(desk, "books") if row["kind"] == "bot"),
    "performance": lambda desk: api(desk, "performance")[0]["on_equity"]["equity"],
    "leaderboard": lambda desk: api(desk, "leaderboard")[0]["equity"],
    "arena": lambda desk: page(desk, "arena")["ranking"][0].equity,
    "accounts page": lambda desk: page(desk, "accounts")["accounts"][0].equity,
}


@pytest.mark.requirement("LED-05")
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_an_equity_is_never_made_of_cash_before_and_positions_after_a_booking(desk, reading):
    before = Decimal(reading(desk))

    with closed_meanwhile(desk):
        assert Decimal(reading(desk)) == before

    assert Decimal(reading(desk)) != before
