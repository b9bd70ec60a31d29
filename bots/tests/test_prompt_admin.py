"""Versions of prompts in the control room: written, followed, compared, and never changed."""

import json

import pytest
from django.urls import reverse

from bots import wordings
from bots.models import PromptVersion
from bots.tests import rows
from ledger.models import AuditEntry

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("BOT-05")]
LIST = "admin:bots_promptversion_changelist"


@pytest.fixture
def room(client, alice):
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client.force_login(alice)
    return client


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_new_version_follows_another(room, alice):
    first = wordings.write(owner=alice, name="mine", text="Be calm.")
    begun = text(room.get(f"{reverse('admin:bots_promptversion_add')}?from={first.pk}"))
    assert "Be calm." in begun
    assert 'value="mine"' in begun

    room.post(reverse("admin:bots_promptversion_add"), {"name": "mine", "text": "Be quick.", "note": "faster"})

    assert [str(one) for one in PromptVersion.objects.of(alice).order_by("pk")] == ["mine v1", "mine v2"]
    assert f"?from={first.pk}" in text(room.get(reverse(LIST)))


def test_what_is_no_wording_is_refused(room):
    answer = room.post(reverse("admin:bots_promptversion_add"), {"name": "mine", "text": "\x01 \x02", "note": ""})

    assert not PromptVersion.objects.exists()
    assert answer.status_code == 200


def test_two_are_compared(room, alice):
    one = wordings.write(owner=alice, name="mine", text="Be calm.")
    two = wordings.write(owner=alice, name="mine", text="Be quick.")
    sent = {"action": "compare", "_selected_action": [one.pk, two.pk]}

    html = text(room.post(reverse(LIST), sent))
    assert "− Be calm." in html
    assert "+ Be quick." in html
    assert "Choose two versions" in text(room.post(reverse(LIST), sent | {"_selected_action": [one.pk]}, follow=True))


def test_it_leads_to_where_each_bot_shows_it_with_the_market_of_now(room, alice):
    version = wordings.write(owner=alice, name="mine", text="Be calm.")
    bot = rows.bot(alice, prompt_version=version)

    html = text(room.get(reverse(LIST)))

    assert f'<a href="/bots/{bot.pk}/prompt/">{bot.name}</a>' in html


def test_a_version_is_only_to_read(room, alice):
    version = wordings.write(owner=alice, name="mine", text="Be calm.")
    address = reverse("admin:bots_promptversion_change", args=[version.pk])

    assert "Be calm." in text(room.get(address))
    assert room.post(address, {"name": "mine", "text": "Be quick.", "note": ""}).status_code == 403
    assert room.post(reverse("admin:bots_promptversion_delete", args=[version.pk])).status_code == 403
    assert PromptVersion.objects.get().text == "Be calm."


@pytest.mark.requirement("BOT-09")
def test_schedule_and_prompt_of_a_bot_are_set(room, alice, bob):
    bot, mine = rows.bot(alice), wordings.write(owner=alice, name="mine", text="Be calm.")
    theirs = wordings.write(owner=bob, name="his", text="Be quick.")
    address = reverse("admin:bots_bot_change", args=[bot.pk])
    sent = {
        "name": "Trend", "instruments": [one.pk for one in bot.instruments.all()], "policy": bot.policy_id,
        "decider": "house:trend", "seed": 0, "timeframes": "5m, 1h", "interval_seconds": 900, "colour": 0,
        "monogram": "TR", "position_interval_seconds": 180, "crontab": " */15  * * * * ", "prompt_version": mine.pk,
        "question_cap_minutes": 30, "shadow_share": "0.1", "decision_seconds": 30, "safe_after": 3,
        "fallbacks-TOTAL_FORMS": 0, "fallbacks-INITIAL_FORMS": 0,
    }  # fmt: skip

    assert room.post(address, sent).status_code == 302, room.post(address, sent).content.decode()[-3000:]
    bot.refresh_from_db()
    assert (bot.crontab, bot.position_interval_seconds, bot.prompt_version) == ("*/15 * * * *", 180, mine)
    assert "five fields" in text(room.post(address, sent | {"crontab": "hourly"}))
    assert "never occurs" in text(room.post(address, sent | {"crontab": "0 0 31 2 *"}))
    assert "errorlist" in text(room.post(address, sent | {"prompt_version": theirs.pk}))
    assert "errorlist" in text(room.post(address, sent | {"shadow_share": "1.5"}))
    assert "60 seconds or more" in text(room.post(address, sent | {"position_interval_seconds": 5}))


@pytest.mark.requirement("LED-08")
def test_another_policy_for_a_bot_is_audited(room, alice):
    bot, bolder = rows.bot(alice), rows.policy(alice, name="bolder")
    address = reverse("admin:bots_bot_change", args=[bot.pk])
    form = {
        "name": bot.name, "instruments": [one.pk for one in bot.instruments.all()], "policy": bolder.pk,
        "decider": bot.decider, "seed": 0, "timeframes": "5m, 1h", "interval_seconds": 900, "colour": 0,
        "monogram": "TR", "crontab": "", "question_cap_minutes": 30, "shadow_share": "0.1", "decision_seconds": 30,
        "safe_after": 3, "fallbacks-TOTAL_FORMS": 0, "fallbacks-INITIAL_FORMS": 0,
    }  # fmt: skip
    before = bot.policy_id

    answer = room.post(address, form)

    assert answer.status_code == 302
    [entry] = AuditEntry.objects.filter(subject=f"bot:{bot.pk}")
    assert (entry.kind, json.loads(entry.change)["policy"]) == ("limits", [str(before), str(bolder.pk)])
