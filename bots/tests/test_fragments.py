from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.http import Http404

from bots import fragments
from bots.models import BotStatus
from bots.tests import rows
from ledger.tests import builders
from ledger.tests.builders import NOW

pytestmark = pytest.mark.django_db
WALL = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.fixture
def bot(alice):
    """A bot with one of everything that its page shows."""
    builders.quote()
    made = rows.bot(alice, status=BotStatus.RUNNING, next_run_at=NOW + timedelta(minutes=2))
    builders.position(made.book, intent=builders.intent(made.book))
    builders.closed_position(made.book)
    builders.order(made.book)
    builders.trade(made.book)
    builders.cash_entry(made.book)
    builders.equity_point(made.book)
    builders.equity_point(made.book, "10100", at=NOW + timedelta(minutes=1))
    rows.decision(made)
    return made


ADDRESSES = {"arena": "/", "leaderboard": "/leaderboard/", "bots": "/bots/", "accounts": "/accounts/"}


@pytest.mark.requirement("UI-09")
@pytest.mark.parametrize("page", ["arena", "leaderboard", "bots", "bot", "accounts"])
def test_parts_are_the_very_text_of_the_page(client, alice, bot, page):
    client.force_login(alice)
    with time_machine.travel(WALL, tick=False):
        whole = client.get(ADDRESSES.get(page, f"/bots/{bot.pk}/")).content.decode()
        parts, _ = fragments.rendered(page, alice, {"id": str(bot.pk)}, WALL)
        polled = client.get(f"/living/{page}/?id={bot.pk}").content.decode()
    assert len(parts) == len(fragments.PAGES[page].parts) > 2
    for name, html in parts.items():
        assert html in whole, name
        assert html in polled, name


@pytest.mark.parametrize("page", fragments.PAGES)
def test_every_part_has_one_root_with_an_id_that_htmx_swaps(alice, bot, page):
    parts, _ = fragments.rendered(page, alice, {"id": str(bot.pk)}, WALL)
    for name, html in parts.items():
        opening = html.strip().partition(">")[0]
        assert " id=" in opening, name
        assert "hx-swap-oob=" in opening, name


def test_a_chart_tells_up_to_when_it_goes(alice, bot):
    _, until = fragments.rendered("arena", alice, {}, WALL)
    assert until == str(int((NOW + timedelta(minutes=1)).timestamp()) * 1000)
    _, nothing = fragments.rendered("bots", alice, {}, WALL)
    assert nothing is None


@pytest.mark.parametrize("page", ["arena", "leaderboard", "bots", "accounts", "frame"])
def test_pages_of_a_user_without_anything_say_what_to_do(alice, page):
    parts, _ = fragments.rendered(page, alice, {}, WALL)
    text = " ".join(parts.values())
    assert page == "frame" or "make run" in text or "manage.py up" in text


# --- Which feed


def test_the_running_feed_comes_first(alice):
    running = builders.feed("one", running=True)
    builders.feed("two")
    assert fragments.feed_of(alice, {}) == running


def test_else_the_newest(alice):
    _, newest = builders.feed("one"), builders.feed("two")
    assert fragments.feed_of(alice, {}) == newest


def test_another_feed_by_its_id(alice):
    builders.feed("one", running=True)
    other = builders.feed("two")
    builders.account(alice, feed=other)
    assert fragments.feed_of(alice, {"feed": str(other.pk)}) == other


@pytest.mark.parametrize("feed", ["0", "x", "-1", "²", "9" * 30])
def test_no_such_feed(alice, feed):
    with pytest.raises(Http404):
        fragments.feed_of(alice, {"feed": feed})


def test_a_feed_where_only_others_trade_is_not_found(alice, bob):
    builders.account(bob, feed=builders.feed("two"))
    with pytest.raises(Http404):
        fragments.feed_of(alice, {"feed": str(builders.feed("two").pk)})


# --- Groups


@pytest.mark.requirement("SEC-02")
def test_groups_are_the_feed_and_the_own_books(alice, bob, bot):
    rows.bot(bob)
    feed = bot.book.account.feed_id
    assert fragments.groups("arena", alice, {}) == [f"user-{alice.pk}", f"feed-{feed}", f"book-{bot.book_id}"]
    own = [f"feed-{feed}", f"book-{bot.book_id}", f"user-{alice.pk}"]
    assert fragments.groups("bot", alice, {"id": str(bot.pk)}) == own


@pytest.mark.requirement("SEC-02")
def test_the_bot_of_another_user_has_no_groups(bob, bot):
    with pytest.raises(Http404):
        fragments.groups("bot", bob, {"id": str(bot.pk)})


@pytest.mark.parametrize(("page", "user"), [("nonsense", "alice"), ("arena", None), ("arena", "nobody")])
def test_strangers_have_no_groups(alice, page, user):
    who = {"alice": alice, "nobody": AnonymousUser()}.get(user)
    with pytest.raises(Http404):
        fragments.groups(page, who, {})
