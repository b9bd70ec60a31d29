"""Tells browsers and scripts that something has changed: ids only, never state.

Whoever writes a fact announces it on commit. Announcing never fails the caller and never makes it wait: a silent
page is a smaller harm than a stopped trade. Messages are sent on the server's loop where this process serves
sockets (the in-memory layer wakes no other), else on a loop of their own.
"""

import asyncio
import os
import threading
from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog
from asgiref.sync import async_to_sync
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import transaction

log = structlog.get_logger(__name__)

SECONDS = 5.0  # for one message
MOST_WAITING = 1000  # while the layer does not answer; what comes on top is lost

_server_loop: asyncio.AbstractEventLoop | None = None
_waiting: set[Future[None]] = set()
_lost = 0


def attach(loop: asyncio.AbstractEventLoop | None) -> None:
    """Called by the process that serves sockets, with the loop its consumers run on; None detaches."""
    global _server_loop
    _server_loop = loop


def announce(group: str, **ids: Any) -> None:
    """Send {"type": "changed", **ids} to everybody in `group`, once the transaction around it has committed.

    Groups: `feed-<id>` (kind "instant", or "prices" where a live feed moved, with `feed` and the time of its `round`)
    and `book-<id>` (kind "trade", "position", "decision" or "state").
    """
    if transaction.get_connection().in_atomic_block:
        transaction.on_commit(partial(_announce, group, ids), robust=True)
    else:
        _announce(group, ids)


def _announce(group: str, ids: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        _deliver(layer, group, {"type": "changed", **ids})
    except Exception as error:
        _note_loss(error)


def _deliver(layer: Any, group: str, message: dict[str, Any]) -> None:
    loop = _server_loop if _server_loop is not None and _server_loop.is_running() else _running_loop()
    if loop is None and isinstance(layer, InMemoryChannelLayer):
        async_to_sync(layer.group_send)(group, message)
        return
    if len(_waiting) >= MOST_WAITING:
        raise BufferError(f"{MOST_WAITING} messages are waiting already.")
    sent = asyncio.run_coroutine_threadsafe(_send(layer, group, message), loop or _OwnLoop.of_this_process())
    _waiting.add(sent)
    sent.add_done_callback(_note_end)


async def _send(layer: Any, group: str, message: dict[str, Any]) -> None:
    await asyncio.wait_for(layer.group_send(group, message), SECONDS)


def _note_end(sent: Future[None]) -> None:
    global _lost
    _waiting.discard(sent)
    if not sent.cancelled() and (error := sent.exception()) is not None:
        _note_loss(error)
    elif _lost:
        log.warning("announcements arrive again", lost=_lost)
        _lost = 0


def _note_loss(error: BaseException) -> None:
    """Only the first of a row is told: while the layer is away, every fact would add a line."""
    global _lost
    _lost += 1
    if _lost == 1:
        log.warning("announcements are being lost", reason=repr(error))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _OwnLoop:
    """A loop in a thread, for processes that serve no sockets; a forked child starts one of its own."""

    loop: asyncio.AbstractEventLoop | None = None
    process = 0
    starting = threading.Lock()

    @classmethod
    def of_this_process(cls) -> asyncio.AbstractEventLoop:
        with cls.starting:
            if cls.loop is None or cls.process != os.getpid():
                cls.loop, cls.process = asyncio.new_event_loop(), os.getpid()
                _waiting.clear()
                threading.Thread(target=cls.loop.run_forever, name="broadcast", daemon=True).start()
            return cls.loop
