"""The page of a prompt, and replays asked for on the page of a decision. Both belong to the owner alone."""

import pytest

from bots import previews, wordings
from bots.models import Bot, Moment, PromptPreview, PromptVersion, Replay
from bots.tests import rows
from ledger.tests import builders

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("BOT-05")]


@pytest.fixture
def page(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def bot(alice):
    builders.quote()
    return rows.bot(alice, name="Trend", monogram="TR")


def text(answer, status=200):
    assert answer.status_code == status, answer
    return answer.content.decode()


def asked(bot) -> Moment:
    made = rows.decision(bot, gate="asked", gate_code="first", gate_reason="It was not asked before.")
    return Moment.objects.create(decision=made, system="Be calm.", user="price 1", digest="d", briefing={})


def test_without_a_version_the_wording_that_ships_is_shown(page, bot):
    html = text(page.get(f"/bots/{bot.pk}/prompt/"))

    assert "You trade crypto for one book." in html
    assert "The wording that ships" in html


def test_the_page_of_a_bot_leads_to_its_prompt_where_a_model_decides(page, bot):
    link = f'href="/bots/{bot.pk}/prompt/"'
    assert link not in text(page.get(f"/bots/{bot.pk}/"))

    Bot.objects.filter(pk=bot.pk).update(decider="model:one")

    assert link in text(page.get(f"/bots/{bot.pk}/"))


def test_saving_writes_a_version_and_uses_it(page, bot, alice):
    sent = {"name": "mine", "text": "Buy low.\r\nSell high.", "note": "first"}
    html = text(page.post(f"/bots/{bot.pk}/prompt/write/", sent, follow=True))

    bot.refresh_from_db()
    assert bot.prompt_version == PromptVersion.objects.of(alice).get()
    assert bot.prompt_version.text == "Buy low.\nSell high."
    assert "Trend is asked with mine v1 from its next cycle on." in html
    assert "Sell high.</textarea>" in html


@pytest.mark.parametrize(
    ("sent", "why"),
    [({"name": "mine", "text": " "}, "Say something"), ({"name": "", "text": "a"}, "Give the prompt a name."),
     ({"name": "mine", "text": "x" * 8001}, "8,001 characters")],
)  # fmt: skip
def test_what_is_no_wording_is_refused_in_words(page, bot, sent, why):
    assert why in text(page.post(f"/bots/{bot.pk}/prompt/write/", sent, follow=True))
    assert not PromptVersion.objects.exists()


def test_two_versions_are_compared(page, bot, alice):
    one = wordings.write(owner=alice, name="mine", text="Buy low.\nWait.")
    two = wordings.write(owner=alice, name="mine", text="Buy low.\nRun.")

    html = text(page.get(f"/bots/{bot.pk}/prompt/?before={one.pk}&after={two.pk}"))

    assert '<li class="gone"><span class="unseen">gone: </span>Wait.</li>' in html
    assert '<li class="new"><span class="unseen">new: </span>Run.</li>' in html
    assert '<li class="same">Buy low.</li>' in html
    assert "mine v1" in text(page.get(f"/bots/{bot.pk}/prompt/?before=&after={one.pk}"))


def test_an_older_version_is_used_again(page, bot, alice):
    one = wordings.write(owner=alice, name="mine", text="Buy low.")
    wordings.write(owner=alice, name="mine", text="Run.")

    page.post(f"/bots/{bot.pk}/prompt/adopt/", {"version": one.pk})
    bot.refresh_from_db()
    assert bot.prompt_version == one
    page.post(f"/bots/{bot.pk}/prompt/adopt/", {"version": ""})
    bot.refresh_from_db()
    assert bot.prompt_version is None


def test_a_preview_is_asked_for_and_looked_at_until_it_is_there(page, bot):
    html = text(page.post(f"/bots/{bot.pk}/prompt/preview/", {"text": "Be brave."}))
    made = PromptPreview.objects.get()
    assert f'hx-get="/prompt-previews/{made.pk}/" hx-trigger="every 1s"' in html

    PromptPreview.objects.update(state="done", system="Be brave. <b>", user="price 1", market_at=builders.NOW)
    html = text(page.get(f"/prompt-previews/{made.pk}/"))
    assert "Be brave. &lt;b&gt;" in html
    assert "every 1s" not in html
    PromptPreview.objects.update(state="failed", error="No candles.")
    assert "No candles." in text(page.get(f"/prompt-previews/{made.pk}/"))
    assert "Say something" in text(page.post(f"/bots/{bot.pk}/prompt/preview/", {"text": "\n"}))


def test_the_web_process_renders_nothing(page, bot, monkeypatch):
    monkeypatch.setattr(previews, "briefing_now", None)
    page.post(f"/bots/{bot.pk}/prompt/preview/", {"text": "Be brave."})
    assert PromptPreview.objects.get().state == "asked"


@pytest.mark.requirement("BOT-10")
def test_a_decision_of_a_model_offers_a_replay(page, bot):
    moment = asked(bot)
    html = text(page.get(f"/decisions/{moment.decision_id}/"))

    assert "It was not asked before." in html
    assert "Be calm." in html
    assert f'hx-post="/decisions/{moment.decision_id}/replay/"' in html
    assert 'value="house:trend"' in html
    assert "Replay" not in text(page.get(f"/decisions/{rows.decision(bot).pk}/"))


@pytest.mark.requirement("BOT-10")
def test_a_replay_is_asked_for_and_shown(page, bot):
    moment = asked(bot)
    sent = {"model": "house:trend", "rules_today": "on"}
    html = text(page.post(f"/decisions/{moment.decision_id}/replay/", sent))
    made = Replay.objects.get()
    assert (made.model, made.rules_today, made.version) == ("house:trend", True, None)
    assert f'hx-get="/replays/{made.pk}/"' in html

    seen = {"symbol": "BTC", "action": "open_long", "outcome": "planned", "quantity": "1", "verdicts": []}
    denied = seen | {"outcome": "refused", "verdicts": [{"effect": "deny", "text": "Too <large>.", "code": "x"}]}
    found = {
        "same": False, "identical": True, "model": "house:trend", "cached": False, "version": "standard",
        "rules": "today", "summary": {"then": "a", "now": "b"}, "prompt": [{"kind": "new", "text": "line"}],
        "items": [{"symbol": "BTC", "then": seen, "now": denied, "same": False}],
    }  # fmt: skip
    Replay.objects.update(state="done", result=found)
    html = text(page.get(f"/replays/{made.pk}/"))
    for words in ("It would not be the same.", "byte for byte", "Too &lt;large&gt;.", "refused"):
        assert words in html


@pytest.mark.parametrize("sent", [{"model": "gpt-0"}, {"version": "999"}])
def test_a_replay_with_what_was_not_offered_is_refused(page, bot, sent):
    moment = asked(bot)
    assert "Choose from what is offered." in text(page.post(f"/decisions/{moment.decision_id}/replay/", sent))
    assert not Replay.objects.exists()


def test_nothing_of_others_is_found(page, bob):
    theirs = rows.bot(bob)
    moment, version = asked(theirs), wordings.write(owner=bob, name="his", text="Secret.")
    preview, replay = previews.ask(bot=theirs, text="x"), Replay.objects.create(decision=moment.decision)

    for address in (f"/bots/{theirs.pk}/prompt/", f"/prompt-previews/{preview.pk}/", f"/replays/{replay.pk}/"):
        assert page.get(address).status_code == 404
    for address in ("write", "adopt", "preview"):
        assert page.post(f"/bots/{theirs.pk}/prompt/{address}/", {"name": "a", "text": "b"}).status_code == 404
    assert page.post(f"/decisions/{moment.decision_id}/replay/").status_code == 404
    mine = rows.bot(page.session and builders.user("alice"))
    assert page.get(f"/bots/{mine.pk}/prompt/?version={version.pk}").status_code == 404
    assert page.post(f"/bots/{mine.pk}/prompt/adopt/", {"version": version.pk}).status_code == 404
    assert "Secret." not in text(page.get(f"/bots/{mine.pk}/prompt/"))


def test_signing_in_comes_first(client, bot):
    assert client.get(f"/bots/{bot.pk}/prompt/").status_code == 302
    assert client.post(f"/bots/{bot.pk}/prompt/write/").status_code == 302
