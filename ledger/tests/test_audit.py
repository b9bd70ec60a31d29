import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from ledger import audit, states, tokens
from ledger.domain.chain import BEGINNING, Link, Stored, first_flaw
from ledger.models import AuditEntry, AuditKind
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.requirement("LED-08")
POSTGRES = connection.vendor == "postgresql"


def chain(words):
    """Entries as they would be stored."""
    made, before = [], BEGINNING
    for number, word in enumerate(words, 1):
        link = Link(NOW, "alice", "limits", word, "{}")
        made.append(Stored(number, link, before, link.sealed(before)))
        before = made[-1].seal
    return made


@given(st.lists(st.text(max_size=20), min_size=1, max_size=12), st.data())
def test_any_change_of_the_past_is_found(words, data):
    entries = chain(words)
    assert first_flaw(entries) is None
    place = data.draw(st.integers(0, len(entries) - 1))
    was = entries[place]
    other = data.draw(st.text(max_size=20).filter(lambda word: word != was.link.subject))
    changed = [*entries[:place], was._replace(link=was.link._replace(subject=other)), *entries[place + 1 :]]
    assert first_flaw(changed)[0] == was.number
    if place < len(entries) - 1:
        assert first_flaw(entries[:place] + entries[place + 1 :])[0] == entries[place + 1].number


def test_the_parts_of_an_entry_cannot_be_moved_into_each_other():
    one, other = Link(NOW, "a", "b", "c", "d"), Link(NOW, "ab", "", "c", "d")
    assert one.sealed(BEGINNING) != other.sealed(BEGINNING)


def note(**fields):
    told = {"kind": AuditKind.LIMITS, "subject": "policy:1", "change": {"max": ["1", "2"]}, "by": builders.user()}
    return audit.write(**told | fields)


def verify(*args):
    said = StringIO()
    call_command("verify_audit", *args, stdout=said)
    return said.getvalue()


def meddle(sql, *params):
    """Somebody with the database in their hands and the guard of it switched off."""
    with connection.cursor() as cursor:
        names = ("audit_stays", "audit_is_kept")
        for name in names if POSTGRES else ():
            cursor.execute(f"ALTER TABLE ledger_auditentry DISABLE TRIGGER {name}")
        if not POSTGRES:
            cursor.execute("DROP TRIGGER IF EXISTS audit_stays")
        cursor.execute(sql, params)


@pytest.mark.django_db
def test_entries_are_chained_and_the_trail_is_whole():
    first, second = note(now=NOW), note(subject="policy:2", by=None)
    assert (first.previous, second.previous, second.actor) == (BEGINNING, first.seal, "")
    assert "2 entries" in verify()
    assert json.loads(verify("--json")) == {"entries": 2, "head": second.seal, "whole": True}


@pytest.mark.django_db
def test_a_changed_entry_and_a_missing_one_are_found():
    for number in range(3):
        note(subject=f"policy:{number}")
    middle = AuditEntry.objects.order_by("id")[1].pk
    meddle("UPDATE ledger_auditentry SET change = %s WHERE id = %s", '{"max": ["1", "1"]}', middle)
    with pytest.raises(CommandError, match=f"Entry {middle} does not have the hash"):
        verify()
    meddle("DELETE FROM ledger_auditentry WHERE id = %s", middle)
    with pytest.raises(CommandError, match="does not follow the one before"):
        verify()


@pytest.mark.django_db
def test_a_cut_off_end_is_found_by_a_hash_that_was_noted():
    note()
    last = note()
    assert "whole" in verify("--head", last.seal)
    meddle("DELETE FROM ledger_auditentry WHERE id = %s", last.pk)
    assert "whole" in verify()
    with pytest.raises(CommandError, match="cut off its end"):
        verify("--head", last.seal)


@pytest.mark.django_db
def test_nobody_changes_or_deletes_an_entry():
    entry = note()
    for refused in (entry.save, entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(TypeError, match="append-only"):
            refused()
    with pytest.raises(TypeError, match="append-only"):
        AuditEntry.objects.update(subject="other")


@pytest.mark.django_db
def test_the_database_refuses_too():
    note()
    statements = ["UPDATE ledger_auditentry SET subject = 'other'"]
    for sql in [*statements, *(["DELETE FROM ledger_auditentry"] if POSTGRES else [])]:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


@pytest.mark.django_db
def test_states_and_tokens_leave_an_entry(alice):
    book = builders.book(alice)
    states.change(scope=book, state="halted", reason="Enough.", by=alice, now=NOW)
    states.change(scope=book, state="halted", reason="Again.", by=alice, now=NOW)
    tokens.issue(user=alice, scope="read", name="phone", now=NOW)
    state, key = AuditEntry.objects.order_by("id")
    assert (state.kind, state.subject, state.actor) == ("state", f"book:{book.pk}", "alice")
    assert json.loads(state.change) == {"state": ["active", "halted"], "reason": "Enough."}
    assert (key.kind, json.loads(key.change)["scope"]) == ("keys", "read")


@pytest.mark.django_db
def test_a_limit_changed_in_the_control_room_leaves_an_entry(client, alice):
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    account = builders.account(alice)
    page = reverse("admin:ledger_account_change", args=[account.pk])
    for limit in ("2.5", "2.5"):
        assert client.post(page, {"name": account.name, "max_exposure": limit}).status_code == 302
    [entry] = AuditEntry.objects.all()
    assert (entry.subject, json.loads(entry.change)) == (f"account:{account.pk}", {"max_exposure": [None, "2.5"]})
    assert client.get(reverse("admin:ledger_auditentry_changelist")).status_code == 200


@pytest.mark.django_db
def test_a_change_that_is_taken_back_leaves_none():
    with transaction.atomic():
        note()
        transaction.set_rollback(True)
    assert audit.head() == (0, BEGINNING)
