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
        self.changes = asyncio.Event()
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
        self.changes.set()

    async def follow(self) -> None:
        """Send the page after each change, with a pause between two; a change in the pause is not lost."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changes.wait(), QUIET)
            self.changes.clear()
            try:
                await self.send_changes()
            except Http404:
                await self.close(REFUSED)
                return
            await asyncio.sleep(PAUSE)

    async def send_changes(self) -> None:
        parts, until = await self.render()
        fresh = [html for name, html in parts.items() if self.sent.get(name) != html]
        self.sent = parts
        if until:
            self.asked["since"] = until
        if fresh:
            await self.send(text_data="\n".join(fresh))

    @database_sync_to_async
    def allowed_groups(self) -> list[str]:
        return fragments.groups(self.page, self.user, self.asked)

    @database_sync_to_async
    def render(self) -> tuple[dict[str, str], str | None]:
        return fragments.rendered(self.page, self.user, self.asked, datetime.now(UTC))


websocket_urlpatterns = [path("ws/pages", Pages.as_asgi())]
