"""Health checks of containers say who is silent, and why, with their exit code."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from ledger import heartbeats
from markets.models import ExchangeState
from tradingsite import alive
from tradingsite.tests.process import free_port


def test_a_page_that_does_not_answer(capsys):
    assert alive.main(["web", str(free_port())]) == 1
    assert "/health does not answer" in capsys.readouterr().err


def test_a_database_that_does_not_answer(monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_URL", f"postgres://nobody@127.0.0.1:{free_port()}/none")
    assert alive.main(["guardian"]) == 1
    assert "The database does not answer" in capsys.readouterr().err


@pytest.mark.django_db
def test_the_question_names_the_table_of_heartbeats():
    assert f"FROM {heartbeats.Heartbeat._meta.db_table} " in alive.NEWEST
    assert {field.column for field in heartbeats.Heartbeat._meta.fields} == {"name", "at"}


@pytest.mark.django_db
def test_the_question_for_an_exchange_names_the_lease_of_who_brings_its_prices(monkeypatch, capsys):
    assert f"FROM {ExchangeState._meta.db_table} " in alive.LEASE
    assert {"exchange", "lease_until"} < {field.column for field in ExchangeState._meta.fields}
    asked = []

    class Database:
        """What psycopg would give where the lease ended five minutes ago."""

        def __enter__(self):
            return self

        def __exit__(self, *_): ...

        def execute(self, question, parameters):
            asked.append((question, parameters))
            return self

        def fetchone(self):
            return (300.0,)

    monkeypatch.setattr(alive.psycopg, "connect", lambda *_, **__: Database())
    assert alive.main(["stream:okx"]) == 1
    assert asked == [(alive.LEASE, ["okx"])]
    assert "stream:okx gave its last sign of life 300 s ago." in capsys.readouterr().err


@pytest.mark.requirement("OPS-03")
@pytest.mark.parametrize(("seconds", "code"), [(5, 0), (300, 1)])
@pytest.mark.django_db
def test_a_heartbeat_is_fresh_or_not(monkeypatch, seconds, code):
    heartbeats.beat(name="guardian", now=datetime.now(UTC) - timedelta(seconds=seconds))

    class Database:
        """What psycopg would give, from the database of this test."""

        def __enter__(self):
            return self

        def __exit__(self, *_): ...

        def execute(self, question, parameters):
            at = heartbeats.last(parameters[0])
            self.row = None if at is None else ((datetime.now(UTC) - at).total_seconds(),)
            return self

        def fetchone(self):
            return self.row

    monkeypatch.setattr(alive.psycopg, "connect", lambda *_, **__: Database())
    assert alive.main(["guardian"]) == code
    assert alive.main(["nobody"]) == 1
    assert connection.is_usable()
