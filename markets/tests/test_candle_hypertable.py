"""Candles become a hypertable only where TimescaleDB is installed, with the statement that its documentation gives."""

from importlib import import_module

import pytest
from django.db import connection, migrations

from markets.models import Candle

migration = import_module("markets.migrations.0002_candle_hypertable")


class Database:
    """A connection that keeps what it is told. `answer` is what the look for the extension finds."""

    def __init__(self, vendor: str, answer: tuple[int] | None = None) -> None:
        self.vendor, self.answer, self.told = vendor, answer, []
        self.connection = self

    def cursor(self) -> "Database":
        return self

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str) -> None:
        self.told.append(statement)

    def fetchone(self) -> tuple[int] | None:
        return self.answer


def test_with_the_extension_the_table_is_converted():
    database = Database("postgresql", answer=(1,))
    migration.convert(None, database)
    assert database.told[1:] == [
        "SELECT create_hypertable('markets_candle', by_range('open_time', 2592000000::bigint), "
        "create_default_indexes => false, migrate_data => true, if_not_exists => true)"
    ]


def test_without_it_nothing_is_changed():
    plain, file = Database("postgresql"), Database("sqlite")
    migration.convert(None, plain)
    migration.convert(None, file)
    assert (plain.told, file.told) == ([migration.INSTALLED], [])


def test_the_statement_names_the_table_and_a_column_of_its_key():
    assert f"'{Candle._meta.db_table}'" in migration.CONVERT
    key = {field.column for field in Candle._meta.pk_fields}
    assert "open_time" in key
    assert Candle._meta.get_field("open_time").get_internal_type() == "BigIntegerField"


@pytest.mark.django_db
def test_on_this_database_it_runs_both_ways_and_changes_nothing():
    class Editor:
        pass

    editor = Editor()
    editor.connection = connection
    before = connection.introspection.get_table_description(connection.cursor(), Candle._meta.db_table)
    operation = migration.Migration.operations[0]
    operation.code(None, editor)
    assert operation.reverse_code is migrations.RunPython.noop
    assert connection.introspection.get_table_description(connection.cursor(), Candle._meta.db_table) == before
