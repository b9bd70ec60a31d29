"""What is written in the audit trail stays: the database itself refuses to change it, and PostgreSQL to delete it.

SQLite lets rows be deleted, because emptying a table is a deletion there; the chain shows a gap.
"""

from django.db import migrations

POSTGRESQL = [
    """CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'The audit trail is append-only.'; END $$""",
    """CREATE TRIGGER audit_stays BEFORE UPDATE ON ledger_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_stays()""",
    """CREATE TRIGGER audit_is_kept BEFORE DELETE ON ledger_auditentry
    FOR EACH ROW EXECUTE FUNCTION audit_stays()""",
]
SQLITE = [
    """CREATE TRIGGER audit_stays BEFORE UPDATE ON ledger_auditentry
    BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only.'); END""",
]
UNDO = {
    "postgresql": [
        "DROP TRIGGER audit_stays ON ledger_auditentry",
        "DROP TRIGGER audit_is_kept ON ledger_auditentry",
        "DROP FUNCTION audit_stays()",
    ],
    "sqlite": ["DROP TRIGGER audit_stays"],
}


def guard(apps, editor):
    for statement in {"postgresql": POSTGRESQL, "sqlite": SQLITE}.get(editor.connection.vendor, []):
        editor.execute(statement)


def unguard(apps, editor):
    for statement in UNDO.get(editor.connection.vendor, []):
        editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_locks_and_audit")]
    operations = [migrations.RunPython(guard, unguard)]
