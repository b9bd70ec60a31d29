"""Many rows are changed at once: the named fields of the given rows, exactly, and nothing else."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext

from markets.models import Candle, Feed, Instrument
from markets.updates import update_rows

from . import rows

pytestmark = pytest.mark.django_db
LONG = Decimal("123456789012.123456789012345678")


def test_named_fields_of_the_given_rows_change():
    bitcoin, ether, other = (rows.instrument(symbol) for symbol in ("BTC/USDT:USDT", "ETH/USDT:USDT", "SOL/USDT:USDT"))
    for row, value in ((bitcoin, LONG), (ether, Decimal(10))):
        row.min_notional, row.tiers, row.active, row.base = value, [{"floor": "1"}], False, "not written"

    with CaptureQueriesContext(connection) as queries:
        update_rows([bitcoin, ether], ["min_notional", "tiers", "active"])

    assert len(queries) == 1
    stored = {row.symbol: row for row in Instrument.objects.all()}
    assert [stored[row.symbol].min_notional for row in (bitcoin, ether)] == [LONG, 10]
    assert stored[bitcoin.symbol].tiers == [{"floor": "1"}]
    assert not stored[ether.symbol].active
    assert stored[bitcoin.symbol].base == "BTC"
    assert stored[other.symbol].active


def test_times_and_nothing_are_stored_as_they_are():
    feed = rows.feed()
    feed.stepped_at, feed.market_now = rows.NOW, None

    update_rows([feed], ["stepped_at", "market_now"])

    stored = Feed.objects.get(pk=feed.pk)
    assert (stored.stepped_at, stored.market_now) == (rows.NOW, None)


def test_no_rows_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        update_rows([], ["name"])


def test_a_value_that_does_not_fit_is_refused():
    row = rows.instrument()
    row.tick = Decimal(10) ** 20

    with pytest.raises(ValidationError, match="digits before the point"):
        update_rows([row], ["tick"])


@pytest.mark.requirement("OPS-03")
def test_postgresql_gets_no_pipeline():
    # After one its clock for idle transactions stands still: who froze there would keep every lock.
    many = []

    def noting(execute, sql, params, in_pipeline, context):
        many.append(in_pipeline)
        return execute(sql, params, in_pipeline, context)

    changed = [rows.instrument(f"{base}/USDT:USDT") for base in ("BTC", "ETH", "SOL")]
    with connection.execute_wrapper(noting):
        update_rows(changed, ["active"])
        Candle.objects.insert([(one.pk, "1m", 0, 1.0, 1.0, 1.0, 1.0, 1.0) for one in changed])

    assert many == [connection.vendor == "sqlite"] * 2
    assert Candle.objects.count() == 3


def test_a_text_that_is_too_long_is_not_cut():
    row = rows.instrument()
    row.base = "B" * 200

    if connection.vendor == "sqlite":  # which knows no lengths
        update_rows([row], ["base"])
        assert Instrument.objects.get().base == row.base
    else:
        with pytest.raises(DataError):
            update_rows([row], ["base"])
