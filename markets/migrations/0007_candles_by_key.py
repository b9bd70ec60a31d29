from django.db import migrations

TABLES = ("markets_candle", "markets_markcandle")


def cluster(apps, schema_editor):
    """On SQLite the rows of candles lie in the order of their key: a window is read without a look-up for each row."""
    if schema_editor.connection.vendor != "sqlite":
        return
    with schema_editor.connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = %s", [table])
            statement = cursor.fetchone()[0]
            if statement.rstrip().upper().endswith("WITHOUT ROWID"):
                continue
            made = statement.replace(f'"{table}"', f'"{table}_by_key"', 1)
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = %s AND sql NOT NULL", [table])
            indexes = [row[0] for row in cursor.fetchall()]
            cursor.execute(f"{made} WITHOUT ROWID")
            cursor.execute(
                f'INSERT INTO "{table}_by_key" SELECT * FROM "{table}" ORDER BY instrument_id, timeframe, open_time'
            )
            cursor.execute(f'DROP TABLE "{table}"')
            cursor.execute(f'ALTER TABLE "{table}_by_key" RENAME TO "{table}"')
            for index in indexes:
                cursor.execute(index)


class Migration(migrations.Migration):
    dependencies = [("markets", "0006_series_and_marks")]

    operations = [migrations.RunPython(cluster, migrations.RunPython.noop)]
