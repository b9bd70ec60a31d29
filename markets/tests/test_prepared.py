"""Prepared reads give what their querysets give, in every thread, and write their SQL once."""

from threading import Thread

import pytest
from django.db import connection

from markets.models import Instrument, Quote
from markets.prepared import Prepared

from . import rows

ETHER = "ETH/USDT:USDT"


@pytest.fixture
def quoted(db):
    feed = rows.feed()
    for symbol in ("BTC/USDT:USDT", ETHER):
        rows.quote(rows.instrument(symbol))
    return feed


def of_feed(feed):
    return Quote.objects.filter(feed=feed).select_related("instrument", "feed").order_by("-id")


def test_objects_come_with_what_they_are_related_to(quoted, django_assert_num_queries):
    read = Prepared(of_feed, "feed")

    with django_assert_num_queries(1):
        found = read(feed=quoted.pk)
        assert [quote.instrument.symbol for quote in found] == [ETHER, "BTC/USDT:USDT"]
        assert found[0].feed == quoted
    assert found == list(of_feed(quoted))
    assert found[0].last == of_feed(quoted)[0].last


def test_each_call_binds_its_own_values(quoted):
    read = Prepared(lambda symbol: Instrument.objects.filter(symbol=symbol).values_list("id", "tick"), "symbol")

    assert read(symbol=ETHER) == list(Instrument.objects.filter(symbol=ETHER).values_list("id", "tick"))
    assert read(symbol="SOL/USDT:USDT") == []
    assert len(read(symbol="BTC/USDT:USDT")) == 1


def test_a_value_is_a_parameter_and_never_sql(quoted):
    read = Prepared(lambda symbol: Instrument.objects.filter(symbol=symbol), "symbol")

    assert read(symbol="' OR 1=1 --") == []


def test_named_rows_and_subqueries_work_too(quoted):
    def build(feed):
        held = Quote.objects.filter(feed=feed).values("instrument")
        return Instrument.objects.filter(pk__in=held).order_by("id").values_list("symbol", named=True)

    assert [row.symbol for row in Prepared(build, "feed")(feed=quoted.pk)] == ["BTC/USDT:USDT", ETHER]


def test_the_sql_is_written_once(quoted, monkeypatch):
    read, built = Prepared(lambda feed: built.append(feed) or of_feed(feed), "feed"), []
    for _ in range(3):
        read(feed=quoted.pk)

    assert len(built) == 1


def test_a_missing_value_is_an_error(quoted):
    with pytest.raises(KeyError, match="feed"):
        Prepared(of_feed, "feed")()


@pytest.mark.django_db(transaction=True)
def test_threads_share_a_read_and_use_their_own_connections():
    feed = rows.feed()
    rows.quote(rows.instrument())
    read, seen = Prepared(of_feed, "feed"), []

    def look():
        seen.append(read(feed=feed.pk))
        connection.close()

    threads = [Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 6
    assert all(found == list(of_feed(feed)) for found in seen)
