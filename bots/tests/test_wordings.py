"""Versions of prompts: written once, never changed, compared line by line; and previews by a worker."""

import pytest
from django.core.management import call_command

from bots import previews, wordings
from bots.models import Prompt, PromptPreview, PromptVersion
from bots.models.prompts import Immutable
from bots.tests import lockstep, rows
from bots.wordings import Line, Unfit, adopt, compare, write

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("BOT-05")]


def test_each_change_is_a_new_version(alice):
    first = write(owner=alice, name="mine", text="Buy low.")
    second = write(owner=alice, name="mine", text="Buy low.\nSell high.", note="says when to sell")

    assert [str(first), str(second)] == ["mine v1", "mine v2"]
    assert first.sha256 != second.sha256
    assert second.wording.text == "Buy low.\nSell high."
    assert Prompt.objects.of(alice).count() == 1


def test_the_same_text_is_the_same_version(alice):
    assert write(owner=alice, name="mine", text="Buy low.") == write(owner=alice, name="mine", text=" Buy low. \n")


def test_a_version_is_never_changed(alice):
    version = write(owner=alice, name="mine", text="Buy low.")
    version.text = "Sell everything."

    with pytest.raises(Immutable):
        version.save()
    with pytest.raises(Immutable):
        PromptVersion.objects.filter(pk=version.pk).update(text="Sell everything.")
    with pytest.raises(Immutable):
        PromptVersion.objects.filter(pk=version.pk).delete()
    with pytest.raises(Immutable):
        version.delete()
    assert PromptVersion.objects.get(pk=version.pk).text == "Buy low."


@pytest.mark.parametrize(
    ("text", "why"), [(" \n ", "Say something"), ("x" * 8001, "8,001 characters"), ("\x00", "Say")]
)
def test_what_says_nothing_or_too_much_is_refused(alice, text, why):
    with pytest.raises(Unfit, match=why):
        write(owner=alice, name="mine", text=text)


def test_control_characters_do_not_get_in(alice):
    assert write(owner=alice, name="mine", text="a\x00b\u202ec\td").text == "abc d"


def test_a_bot_takes_only_a_version_of_its_owner(alice, bob):
    bot, version = rows.bot(alice), write(owner=bob, name="his", text="Be quick.")
    mine = write(owner=alice, name="mine", text="Be slow.")

    with pytest.raises(Unfit, match="somebody else"):
        adopt(bot=bot, version=version)
    adopt(bot=bot, version=mine)
    bot.refresh_from_db()
    assert bot.prompt_version == mine


def test_two_versions_side_by_side():
    assert compare("a\nb\nc", "a\nx\nc\nd") == [
        Line("same", "a"), Line("gone", "b"), Line("new", "x"), Line("same", "c"), Line("new", "d"),
    ]  # fmt: skip


def test_versions_are_compared_sentence_by_sentence(alice):
    one = write(owner=alice, name="mine", text="Buy low. Wait; then sell high.")
    two = write(owner=alice, name="mine", text="Buy low. Run; then sell high.")

    assert wordings.between(one, two) == [
        Line("same", "Buy low."), Line("gone", "Wait;"), Line("new", "Run;"), Line("same", "then sell high."),
    ]  # fmt: skip
    assert {line.kind for line in wordings.between(None, None)} == {"same"}


@pytest.mark.django_db(transaction=True)
def test_a_preview_is_rendered_by_a_worker_with_the_market_of_now(capsys):
    feed = lockstep.market()
    bot = next(iter(previews.Bot.objects.filter(decider="house:trend")))
    lockstep.drive(feed, 4)
    asked = previews.ask(bot=bot, text="Be brave.")

    assert previews.render_asked() == 1
    assert previews.render_asked() == 0

    asked.refresh_from_db()
    assert asked.state == "done"
    assert asked.system.startswith("Be brave.")
    assert "equity" in asked.user
    assert asked.market_at == previews.clock.now(feed)
    call_command("show_prompt", str(bot.pk))
    shown = capsys.readouterr()
    assert asked.user in shown.out
    assert "characters, at most" in shown.err


@pytest.mark.django_db(transaction=True)
def test_a_preview_that_fails_says_so():
    broken = rows.bot(timeframes=["7m"])
    asked = previews.ask(bot=broken, text="Be brave.")

    previews.render_asked()

    asked.refresh_from_db()
    assert asked.state == "failed"
    assert asked.error
    assert PromptPreview.objects.of(broken.owner).count() == 1


def test_the_wording_that_ships_is_used_without_a_version(alice):
    assert wordings.text_of(None).startswith("You trade crypto")
