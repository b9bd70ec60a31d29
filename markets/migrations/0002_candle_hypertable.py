"""Candles as a TimescaleDB hypertable where its extension is installed in the database; elsewhere nothing happens.

The key of the table serves both forms, so a database without the extension lacks nothing but the partitions.
"""

from django.db import migrations

# 30 days of UTC milliseconds: with one-minute candles of 100 instruments a chunk holds about 4 million rows.
CHUNK = 30 * 24 * 3600 * 1000
INSTALLED = "SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'"
CONVERT = (
    "SELECT create_hypertable('markets_candle', by_range('open_time', {chunk}::bigint), "
    "create_default_indexes => false, migrate_data => true, if_not_exists => true)"
).format(chunk=CHUNK)


def convert(apps, schema_editor):
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(INSTALLED)
        if cursor.fetchone():
            cursor.execute(CONVERT)


class Migration(migrations.Migration):
    dependencies = [("markets", "0001_initial")]

    # Backwards it stays as it is: a hypertable works as the table it was.
    operations = [migrations.RunPython(convert, migrations.RunPython.noop)]
