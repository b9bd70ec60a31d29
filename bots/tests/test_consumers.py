import asyncio
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.db import connection

from bots import consumers, fragments
from bots.models import Bot
from bots.tests import rows
from ledger.tests import builders
from markets.models import Quote

pytestmark = pytest.mark.django_db(transaction=True)
APPLICATION = URLRouter(consumers.websocket_urlpatterns)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(consumers, "PAUSE", 0.05)


@pytest.fixture
def bot():
    builders.quote()
    return rows.bot(builders.user("alice"), name="Trend")


def socket(user, query):
    communicator = WebsocketCommunicator(APPLICATION, f"/ws/pages?{query}")
    communicator.scope["user"] = user
    return communicator


@asynccontextmanager
async def opened(user, query):
    """A connected socket that has told its page once."""
    communicator = socket(user, query)
    connected, _ = await communicator.connect()
    assert connected
    first = await communicator.receive_from(timeout=20)
    yield communicator, first
    await communicator.disconnect()


async def announce(group, kind="instant", **ids):
    await get_channel_layer().group_send(group, {"type": "changed", "kind": kind, **ids})


async def announce_prices(feed):
    at = datetime.now(UTC).isoformat()
    await announce(f"feed-{feed}", kind="prices", feed=feed, round=at)


@sync_to_async
def move(price):
    Quote.objects.update(last=price, mark=price)


def move_elsewhere(price):
    """In a thread of its own, where the one that all sockets share is busy."""
    Quote.objects.update(last=price, mark=price)
    connection.close()


@pytest.mark.requirement("UI-09")
async def test_a_change_brings_the_parts_that_changed(bot):
    async with opened(bot.owner, "page=arena") as (communicator, first):
        assert 'id="ticker"' in first
        assert 'id="ranking"' in first
        await move(51000)
        await announce(f"feed-{bot.book.account.feed_id}")
        news = await communicator.receive_from(timeout=20)
        assert "51\u202f000.0" in news
        assert 'id="ranking"' not in news  # it holds no position, so its line is as it was


@pytest.mark.requirement("UI-09")
async def test_live_prices_alone_render_no_more_than_the_prices(bot, monkeypatch):
    monkeypatch.setattr(consumers, "WHOLE", 60.0)
    async with opened(bot.owner, "page=arena") as (communicator, _):
        monkeypatch.setattr(consumers.fragments, "rendered", None)  # the whole page would fail now
        for price in (51_000, 52_000):
            await move(price)
            await announce_prices(bot.book.account.feed_id)
            news = await communicator.receive_from(timeout=20)
            assert f"{price // 1000}\u202f000.0" in news
            assert news.count("<section") == 1


@pytest.mark.requirement("UI-09")
async def test_a_live_price_waits_for_no_drawing_of_the_page_and_is_not_overdrawn_by_it(bot, monkeypatch):
    drawn, may_end = threading.Event(), threading.Event()
    real = fragments.rendered

    def slow(*given):
        parts = real(*given)
        drawn.set()
        may_end.wait(20)
        return parts

    async with opened(bot.owner, "page=arena") as (communicator, _):
        monkeypatch.setattr(consumers.fragments, "rendered", slow)
        await sync_to_async(Bot.objects.filter(pk=bot.pk).update)(name="Renamed")
        await announce(f"book-{bot.book_id}")
        assert await asyncio.to_thread(drawn.wait, 20)
        await asyncio.to_thread(move_elsewhere, 51_000)
        await announce_prices(bot.book.account.feed_id)
        assert "51\u202f000.0" in await communicator.receive_from(timeout=20)
        may_end.set()
        news = await communicator.receive_from(timeout=20)
        assert "Renamed" in news
        assert 'id="ticker"' not in news


@pytest.mark.requirement("UI-09")
async def test_a_round_of_prices_is_drawn_once_for_all_pages(bot, monkeypatch):
    drawings = []
    real = fragments.ticker
    monkeypatch.setattr(fragments, "ticker", lambda feed: drawings.append(feed.pk) or real(feed))
    async with opened(bot.owner, "page=arena") as (one, _), opened(bot.owner, "page=arena") as (other, _):
        await move(51_000)
        await announce_prices(bot.book.account.feed_id)
        news = [await page.receive_from(timeout=20) for page in (one, other)]
    assert all("51\u202f000.0" in html for html in news)
    assert drawings == [bot.book.account.feed_id]


async def test_the_ticker_is_the_same_text_alone_and_with_its_page(bot):
    feed = bot.book.account.feed
    alone = await sync_to_async(fragments.ticker)(feed)
    async with opened(bot.owner, f"page=arena&feed={feed.pk}") as (_, first):
        assert alone in first


@pytest.mark.requirement("UI-09")
async def test_what_hangs_on_live_prices_follows_within_seconds(bot, monkeypatch):
    monkeypatch.setattr(consumers, "WHOLE", 0.0)
    async with opened(bot.owner, "page=arena") as (communicator, _):
        await sync_to_async(Bot.objects.filter(pk=bot.pk).update)(name="Renamed")
        await announce_prices(bot.book.account.feed_id)
        assert "Renamed" in await communicator.receive_from(timeout=20)


async def test_the_page_of_a_bot_hears_of_its_book(bot):
    async with opened(bot.owner, f"page=bot&id={bot.pk}") as (communicator, first):
        assert 'id="bot-head"' in first
        await sync_to_async(Bot.objects.filter(pk=bot.pk).update)(name="Renamed")
        await announce(f"book-{bot.book_id}")
        assert "Renamed" in await communicator.receive_from(timeout=20)


async def test_a_chart_is_sent_once_and_then_what_is_new(bot):
    point = sync_to_async(builders.equity_point)
    await point(bot.book)
    async with opened(bot.owner, "page=arena") as (communicator, first):
        assert '"since": null' in first
        await point(bot.book, "10100", at=builders.NOW.replace(minute=1))
        await announce(f"book-{bot.book_id}")
        seen = int(builders.NOW.timestamp()) * 1000
        assert f'"since": {seen}' in await communicator.receive_from(timeout=20)


@pytest.mark.requirement("UI-09")
async def test_a_burst_is_drawn_together_and_its_last_change_is_not_lost(bot, monkeypatch):
    monkeypatch.setattr(consumers, "PAUSE", 0.3)
    async with opened(bot.owner, "page=arena") as (communicator, _):
        for price in range(51000, 51040):
            await move(price)
            await announce(f"feed-{bot.book.account.feed_id}")
        drawn = [await communicator.receive_from(timeout=20)]
        while not await communicator.receive_nothing(timeout=0.7):
            drawn.append(await communicator.receive_from())
        assert len(drawn) < 10
        assert "51\u202f039.0" in drawn[-1]


async def test_nothing_new_is_nothing_sent(bot):
    async with opened(bot.owner, "page=leaderboard") as (communicator, _):
        await announce(f"feed-{bot.book.account.feed_id}")
        # The footer alone may have aged meanwhile.
        if not await communicator.receive_nothing(timeout=0.4):
            assert 'id="ranking"' not in await communicator.receive_from()


async def test_silence_is_broken_by_a_sign_of_life(bot, monkeypatch):
    monkeypatch.setattr(consumers, "QUIET", 0.2)
    async with opened(bot.owner, "page=frame") as (communicator, _):
        await sync_to_async(type(bot.book.account.feed).objects.update)(running=True)
        assert 'id="footer"' in await communicator.receive_from(timeout=20)


async def test_a_bot_that_is_taken_away_ends_the_page(bot):
    async with opened(bot.owner, f"page=bot&id={bot.pk}") as (communicator, _):
        await sync_to_async(Bot.objects.filter(pk=bot.pk).update)(owner=await sync_to_async(builders.user)("bob"))
        await announce(f"book-{bot.book_id}")
        assert await communicator.receive_output(timeout=20) == {
            "type": "websocket.close",
            "code": consumers.REFUSED,
        }


async def test_a_page_that_cannot_go_on_is_closed_so_that_the_browser_begins_anew(bot):
    async with opened(bot.owner, "page=arena") as (communicator, _):
        await announce(f"feed-{bot.book.account.feed_id}", kind="prices")  # of no feed
        assert await communicator.receive_output(timeout=20) == {"type": "websocket.close", "code": consumers.BROKEN}


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("query", ["page=bot&id={id}", "page=bot", "page=nonsense", "", "page=arena&feed=0"])
async def test_what_is_not_the_users_is_refused(bot, query):
    intruder = await sync_to_async(builders.user)("bob")
    connected, code = await socket(intruder, query.format(id=bot.pk)).connect()
    assert (connected, code) == (False, consumers.REFUSED)


@pytest.mark.requirement("SEC-02")
@pytest.mark.parametrize("user", [None, AnonymousUser()])
async def test_strangers_are_refused(bot, user):
    connected, _ = await socket(user, "page=arena").connect()
    assert not connected


@pytest.mark.requirement("SEC-02")
async def test_nobody_hears_of_the_books_of_others(bot):
    other = await sync_to_async(rows.bot)(await sync_to_async(builders.user)("bob"))
    async with opened(bot.owner, "page=leaderboard") as (communicator, _):
        await sync_to_async(Bot.objects.filter(pk=bot.pk).update)(name="Renamed")
        await announce(f"book-{other.book_id}")
        assert await communicator.receive_nothing(timeout=0.4)


def in_groups() -> set[str]:
    return {channel for channels in get_channel_layer().groups.values() for channel in channels}


async def test_a_closed_page_leaves_its_groups(bot):
    before = in_groups()
    async with opened(bot.owner, "page=arena"):
        mine = in_groups() - before
        assert mine
    for _ in range(2000):
        if not mine & in_groups():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still in {get_channel_layer().groups}")
