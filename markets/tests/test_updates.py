"""Many rows are changed at once: the named fields of the given rows, exactly, and nothing else."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
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

    assert len(queries) == 2
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
@pytest.mark.parametrize("count", [1, 3])
def test_the_server_sees_that_a_transaction_idles_after_it(count):
    # Its clock for idle transactions stands still after a pipeline, which many rows at once are.
    many = []

    def noting(execute, sql, params, in_pipeline, context):
        many.append(in_pipeline)
        return execute(sql, params, in_pipeline, context)

    changed = [rows.instrument(f"{base}/USDT:USDT") for base in ("BTC", "ETH", "SOL")[:count]]
    with connection.execute_wrapper(noting):
        update_rows(changed, ["active"])
        Candle.objects.insert([(one.pk, "1m", 0, 1.0, 1.0, 1.0, 1.0, 1.0) for one in changed])

    assert many == [False, False] if count == 1 else [True, False, True, False]
    assert Candle.objects.count() == count
