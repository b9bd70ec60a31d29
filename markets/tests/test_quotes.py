from datetime import timedelta
from decimal import Decimal

import pytest

from markets import quotes
from markets.domain.snapshot import QuoteView
from markets.models import Quote

from . import rows

pytestmark = pytest.mark.django_db


def view(price, at=rows.NOW, **more) -> QuoteView:
    price = Decimal(price)
    return QuoteView(price, price - 1, price + 1, price, at, **more)


def test_quotes_are_written_and_read_in_one_statement_each(django_assert_num_queries):
    feed, instruments = rows.feed(), [rows.instrument(), rows.instrument("ETH/USDT:USDT")]
    bitcoin, ether = instruments
    told = {bitcoin.pk: view(50_000, liquidity=Decimal("7.5")), ether.pk: view(3000, funding_rate=Decimal("0.0001"))}

    with django_assert_num_queries(1):
        quotes.write(feed=feed, quotes=told, day_opens={bitcoin.pk: Decimal(49_000)})
    with django_assert_num_queries(1):
        seen = quotes.views(feed, instruments)

    assert seen == {bitcoin.symbol: told[bitcoin.pk], ether.symbol: told[ether.pk]}
    assert quotes.newest(feed) == told
    assert Quote.objects.get(instrument=bitcoin).day_open == 49_000


def test_a_newer_quote_replaces_the_older_and_touches_no_other():
    feed, other = rows.feed(), rows.feed("another")
    bitcoin, ether = rows.instrument(), rows.instrument("ETH/USDT:USDT")
    quotes.write(feed=feed, quotes={bitcoin.pk: view(50_000), ether.pk: view(3000)})
    quotes.write(feed=other, quotes={bitcoin.pk: view(1)})

    later = view(51_000, rows.NOW + timedelta(minutes=1))
    quotes.write(feed=feed, quotes={bitcoin.pk: later})

    assert quotes.newest(feed) == {bitcoin.pk: later, ether.pk: view(3000)}
    assert quotes.newest(other) == {bitcoin.pk: view(1)}


def test_an_instrument_without_a_price_is_absent():
    assert quotes.views(rows.feed(), [rows.instrument()]) == {}


def test_no_quotes_are_no_statement(django_assert_num_queries):
    feed = rows.feed()

    with django_assert_num_queries(0):
        quotes.write(feed=feed, quotes={})
