"""The ticker of a live feed, read and drawn once for all pages of this process that show it.

It has a thread of its own, so that no price waits for the drawing of a whole page. Who may see a feed is not asked
here: only pages that were let into the group of a feed hear of its prices.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from channels.db import database_sync_to_async
from django.shortcuts import get_object_or_404

from markets.models import Feed

from . import fragments

_thread = ThreadPoolExecutor(1, thread_name_prefix="ticker")
_newest: dict[int, tuple[str, asyncio.Task[str]]] = {}


async def after(round_at: str, *, feed: int) -> str:
    """The ticker as it is after this round of prices, or later. Raises Http404 where there is no such feed."""
    known = _newest.get(feed)
    if known is None or known[0] != round_at:
        known = _newest[feed] = (round_at, asyncio.create_task(_drawn(feed)))
    return await asyncio.shield(known[1])


async def _drawn(feed: int) -> str:
    return await database_sync_to_async(_read, thread_sensitive=False, executor=_thread)(feed)


def _read(feed: int) -> str:
    return fragments.ticker(get_object_or_404(Feed, pk=feed))
