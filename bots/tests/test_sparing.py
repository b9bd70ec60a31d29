import pytest

from bots.sparing import Spared, spared
from bots.tests import rows

pytestmark = [pytest.mark.django_db, pytest.mark.requirement("BOT-09")]


def moment(bot, gate, code="", acted=False, refused=False):
    rows.decision(bot, items=0, gate=gate, gate_code=code, acted=acted, refused=refused)


def test_what_was_spared_and_what_that_missed(alice, client):
    bot = rows.bot(alice)
    for _ in range(6):
        moment(bot, "skipped", "quiet")
    moment(bot, "asked", "new_candle")
    moment(bot, "asked", "new_candle", acted=True)
    moment(bot, "asked", "level_near")
    for acted, refused in ((False, False), (True, False), (False, True), (False, False)):
        moment(bot, "shadow", "shadow", acted, refused)
    rows.decision(bot)  # of a strategy in code
    moment(rows.bot(alice), "skipped")

    found = spared(bot)

    assert found == Spared(3, 6, 4, 2, (("new_candle", 2), ("level_near", 1)))
    assert found.share == 6 / 13
    assert found.missed_share == 0.5
    client.force_login(alice)
    page = " ".join(client.get(f"/bots/{bot.pk}/prompt/").content.decode().split())
    assert "<dt>spared</dt><dd>46 %</dd>" in page
    assert "2 of 4 shadow questions wanted to act" in page


def test_a_bot_that_was_never_asked(alice):
    found = spared(rows.bot(alice))

    assert (found.moments, found.share, found.missed_share) == (0, None, None)
