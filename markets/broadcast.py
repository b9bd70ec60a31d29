"""Tells browsers and scripts that something has changed: ids only, never state.

Whoever writes a fact announces it on commit. Announcing never fails the caller: a silent page is a smaller
harm than a stopped trade. The in-memory layer wakes only the loop it lives on, so a server attaches its own.
"""

import asyncio
from concurrent.futures import Future
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

log = structlog.get_logger(__name__)

_server_loop: asyncio.AbstractEventLoop | None = None


def attach(loop: asyncio.AbstractEventLoop | None) -> None:
    """Called by the process that serves sockets, with the loop its consumers run on; None detaches."""
    global _server_loop
    _server_loop = loop


def announce(group: str, **ids: Any) -> None:
    """Send {"type": "changed", **ids} to everybody in `group`. Call it on commit, from any thread.

    Groups: `feed-<id>` (kind "instant") and `book-<id>` (kind "trade", "position", "decision" or "state").
    """
    layer = get_channel_layer()
    if layer is None:
        return
    message = {"type": "changed", **ids}
    try:
        _deliver(layer, group, message)
    except Exception as error:
        log.warning("announcement lost", group=group, reason=repr(error))


def _deliver(layer: Any, group: str, message: dict[str, Any]) -> None:
    running = _running_loop()
    if _server_loop is not None and _server_loop.is_running() and running is not _server_loop:
        sent = asyncio.run_coroutine_threadsafe(layer.group_send(group, message), _server_loop)
        sent.add_done_callback(lambda done: _note_loss(group, done))
    elif running is not None:
        running.create_task(layer.group_send(group, message))
    else:
        async_to_sync(layer.group_send)(group, message)


def _note_loss(group: str, sent: Future[None]) -> None:
    if not sent.cancelled() and (error := sent.exception()) is not None:
        log.warning("announcement lost", group=group, reason=repr(error))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
