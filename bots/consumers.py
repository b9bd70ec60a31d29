"""The socket of pages: it renders a page's own fragments when something of its user has changed.

Messages carry ids only, so this reads the database anew each time, at most twice a second however many messages
come, and always once more after a burst. Who is not signed in or asks for what is not theirs is refused at the door.
"""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import Http404
from django.urls import path

from . import fragments

PAUSE = 0.5  # seconds between two renders
PRICE_PAUSE = 0.1  # between two renders of prices alone, which are one query and a few lines
WHOLE = 2.0  # seconds after which what hangs on prices (results, distances) is rendered anew
QUIET = 15.0  # seconds of silence after which the page is sent its frame anyway, as a sign of life
REFUSED = 4404


class Pages(AsyncWebsocketConsumer):
    """One page in one browser. `asked` is its query: `page`, and the ids that page needs."""

    asked: dict[str, str]
    groups_joined: list[str]
    sent: dict[str, str]
    work: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self.asked = dict(parse_qsl(self.scope["query_string"].decode("ascii", "replace")))
        self.page, self.user = self.asked.pop("page", ""), self.scope.get("user")
        self.groups_joined, self.sent = [], {}
        self.changes, self.only_prices, self.whole_at = asyncio.Event(), True, 0.0
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
        self.work = asyncio.create_task(self.follow())

    async def disconnect(self, code: int) -> None:
        if self.work is not None:
            self.work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.work
        for group in self.groups_joined:
            await self.channel_layer.group_discard(group, self.channel_name)

    async def changed(self, message: dict[str, Any]) -> None:
        """Something of this page has changed; what, the database tells."""
        self.only_prices = self.only_prices and message.get("kind") == "prices"
        self.changes.set()

    async def follow(self) -> None:
        """Send the page after each change, with a pause between two; a change in the pause is not lost."""
        loop = asyncio.get_running_loop()
        while True:
            came = False
            with contextlib.suppress(TimeoutError):
                came = await asyncio.wait_for(self.changes.wait(), QUIET)
            self.changes.clear()
            # Live prices move all the time: between two renders of the whole page only they are sent.
            prices = came and self.only_prices and loop.time() - self.whole_at < WHOLE
            self.only_prices = True
            try:
                await (self.send_prices() if prices else self.send_changes())
            except Http404:
                await self.close(REFUSED)
                return
            self.whole_at = self.whole_at if prices else loop.time()
            await asyncio.sleep(PRICE_PAUSE if prices else PAUSE)

    async def send_changes(self) -> None:
        parts, until = await self.render()
        if until:
            self.asked["since"] = until
        await self.send_fresh(parts)

    async def send_prices(self) -> None:
        await self.send_fresh(await self.render_prices())

    async def send_fresh(self, parts: dict[str, str]) -> None:
        fresh = [html for name, html in parts.items() if self.sent.get(name) != html]
        self.sent = self.sent | parts
        if fresh:
            await self.send(text_data="\n".join(fresh))

    @database_sync_to_async
    def allowed_groups(self) -> list[str]:
        return fragments.groups(self.page, self.user, self.asked)

    @database_sync_to_async
    def render_prices(self) -> dict[str, str]:
        return fragments.prices(self.page, self.user, self.asked)

    @database_sync_to_async
    def render(self) -> tuple[dict[str, str], str | None]:
        return fragments.rendered(self.page, self.user, self.asked, datetime.now(UTC))


websocket_urlpatterns = [path("ws/pages", Pages.as_asgi())]
