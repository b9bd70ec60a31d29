"""Health says the process answers; readiness says each part, and refuses when one is missing."""

import json

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import RequestFactory

from tradingsite import __version__, health

ASK = RequestFactory()


@pytest.mark.requirement("OPS-03")
def test_health_needs_nothing():
    answer = health.health(ASK.get("/health"))
    assert answer.status_code == 200
    assert json.loads(answer.content) == {"status": "ok", "version": __version__}


@pytest.mark.requirement("OPS-03")
@pytest.mark.django_db
def test_ready_says_each_part(settings):
    settings.REDIS_URL = ""
    answer = health.ready(ASK.get("/ready"))
    assert answer.status_code == 200
    for part in (b'"database": {"ok": true', b'"migrations": {"ok": true', b'"broker": {"ok": true'):
        assert part in answer.content


def test_ready_refuses_without_a_database(monkeypatch):
    def unreachable(*_):
        raise DatabaseError("host 10.0.0.7 is down")

    monkeypatch.setattr(connection, "cursor", unreachable)
    monkeypatch.setattr(health, "migrations", lambda: {"ok": True, "detail": "applied"})
    answer = health.ready(ASK.get("/ready"))
    assert answer.status_code == 503
    assert b'"database": {"ok": false, "detail": "unreachable"}' in answer.content
    assert b"10.0.0.7" not in answer.content


@pytest.mark.django_db
def test_ready_refuses_with_migrations_to_apply():
    MigrationRecorder(connection).record_unapplied("sessions", "0001_initial")
    answer = health.ready(ASK.get("/ready"))
    assert answer.status_code == 503
    assert b'"1 to apply"' in answer.content


@pytest.mark.django_db
def test_ready_refuses_without_its_broker(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    answer = health.ready(ASK.get("/ready"))
    assert answer.status_code == 503
    assert b'"broker": {"ok": false, "detail": "unreachable"}' in answer.content


def test_only_reading_is_answered():
    assert health.health(ASK.post("/health")).status_code == 405
