"""The socket of pages: it renders a page's own fragments when something of its user has changed.

Messages carry ids only, so this reads the database anew each time, at most twice a second however many messages
come, and always once more after a burst. Live prices go ahead of the rest of their page and wait for no drawing of it.
Who is not signed in or asks for what is not theirs is refused at the door.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import structlog
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import Http404
from django.urls import path

from . import fragments, ticker

PAUSE = 0.5  # seconds between two renders
PRICE_PAUSE = 0.1  # between two sendings of prices alone, on average
AT_ONCE = 3  # so many of them may follow each other at once: what is pushed together may come in more than one round
WHOLE = 2.0  # seconds after which what hangs on prices (results, distances) is rendered anew
QUIET = 15.0  # seconds of silence after which the page is sent its frame anyway, as a sign of life
REFUSED, BROKEN = 4404, 1011
log = structlog.get_logger(__name__)


class Pages(AsyncWebsocketConsumer):
    """One page in one browser. `asked` is its query: `page`, and the ids that page needs."""

    asked: dict[str, str]
    groups_joined: list[str]
    sent: dict[str, str]
    works: tuple[asyncio.Task[None], ...] = ()

    async def connect(self) -> None:
        self.asked = dict(parse_qsl(self.scope["query_string"].decode("ascii", "replace")))
        self.page, self.user = self.asked.pop("page", ""), self.scope.get("user")
        self.groups_joined, self.sent = [], {}
        self.changes, self.prices, self.whole_at = asyncio.Event(), asyncio.Event(), 0.0
        self.told: dict[str, Any] = {}
        try:
            groups = await self.allowed_groups()
        except Http404:
            await self.close(REFUSED)
            return
        await self.accept()
        for group in groups:
            await self.channel_layer.group_add(group, self.channel_name)
            self.groups_joined.append(group)
        self.changes.set()
        follows = (self.follow(), self.follow_prices())
        self.works = tuple(asyncio.create_task(self.until_refused(work)) for work in follows)

    async def disconnect(self, code: int) -> None:
        for work in self.works:
            work.cancel()
        await asyncio.gather(*self.works, return_exceptions=True)
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Word of a change waits for nothing: Channels would have the thread that draws pages tidy up before."""
        await (self.changed(message) if message["type"] == "changed" else super().dispatch(message))

    async def changed(self, message: dict[str, Any]) -> None:
        """Something of this page has changed; what, the database tells."""
        if message.get("kind") == "prices":
            self.told = message
            self.prices.set()
        else:
            self.changes.set()

    async def until_refused(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Http404:
            await self.close(REFUSED)
        except Exception:  # The browser opens another one, which begins anew.
            log.exception("page_broken", page=self.page)
            await self.close(BROKEN)

    async def follow(self) -> None:
        """Send the page after each change, with a pause between two; a change in the pause is not lost."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changes.wait(), QUIET)
            self.changes.clear()
            self.whole_at = asyncio.get_running_loop().time()
            await self.send_changes()
            await asyncio.sleep(PAUSE)

    async def follow_prices(self) -> None:
        """Send live prices as they come, and now and then have the page follow them."""
        loop, next_at = asyncio.get_running_loop(), 0.0
        while True:
            await self.prices.wait()
            self.prices.clear()
            if self.page in fragments.WITH_TICKER:
                await self.send_prices()
            if loop.time() - self.whole_at >= WHOLE:
                self.changes.set()
            next_at = max(next_at, loop.time() - AT_ONCE * PRICE_PAUSE) + PRICE_PAUSE
            await asyncio.sleep(max(0.0, next_at - loop.time()))

    async def send_changes(self) -> None:
        before = self.sent.get(fragments.TICKER)
        parts, until = await self.render()
        if until:
            self.asked["since"] = until
        if self.sent.get(fragments.TICKER) != before:
            del parts[fragments.TICKER]  # while this was drawn, newer prices were sent
        await self.send_fresh(parts)

    async def send_prices(self) -> None:
        html = await ticker.after(self.told["round"], feed=self.told["feed"])
        await self.send_fresh({fragments.TICKER: html})

    async def send_fresh(self, parts: dict[str, str]) -> None:
        fresh = [html for name, html in parts.items() if self.sent.get(name) != html]
        self.sent = self.sent | parts
        if fresh:
            await self.send(text_data="\n".join(fresh))

    @database_sync_to_async
    def allowed_groups(self) -> list[str]:
        return fragments.groups(self.page, self.user, self.asked)

    @database_sync_to_async
    def render(self) -> tuple[dict[str, str], str | None]:
        return fragments.rendered(self.page, self.user, self.asked, datetime.now(UTC))


websocket_urlpatterns = [path("ws/pages", Pages.as_asgi())]
