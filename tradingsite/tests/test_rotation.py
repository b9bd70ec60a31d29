"""Stored secrets move to the newest key, and one that cannot be opened is told and kept."""

import json
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from bots.models import Provider
from bots.tests import models
from ledger import credentials
from tradingsite import rotation

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("LED-02")]


def rotated() -> dict:
    out = StringIO()
    call_command("rotate_credentials", json=True, stdout=out)
    return json.loads(out.getvalue())


def test_after_rotation_the_old_key_is_not_needed(settings, alice):
    provider, old = models.provider(owner=alice), settings.CREDENTIALS_KEYS
    new = Fernet.generate_key().decode()
    settings.CREDENTIALS_KEYS = [new, *old]

    assert rotated() == {"rotated": 1, "unreadable": []}

    settings.CREDENTIALS_KEYS = [new]
    assert Provider.objects.get(pk=provider.pk).key == models.KEY
    settings.CREDENTIALS_KEYS = old
    with pytest.raises(credentials.Unreadable):
        _ = Provider.objects.get(pk=provider.pk).key


def test_providers_without_a_key_are_passed_by(alice):
    Provider.objects.create(owner=alice, name="bare", base_url="http://localhost/v1")

    assert rotated() == {"rotated": 0, "unreadable": []}


def test_a_secret_that_no_key_opens_stays_and_is_told(settings, alice, bob):
    lost = models.provider(owner=alice)
    before = lost.sealed_key
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
    models.provider(owner=bob)

    with pytest.raises(CommandError, match=r"provider fake: CREDENTIALS_KEYS does not hold the key") as refusal:
        call_command("rotate_credentials", stdout=(out := StringIO()))

    assert refusal.value.returncode == 1
    assert out.getvalue() == "1 secret is under the newest key.\n"
    lost.refresh_from_db()
    assert lost.sealed_key == before


def test_the_column_of_providers_is_among_those_found():
    assert (Provider, "sealed_key") in rotation.sealed_columns()
