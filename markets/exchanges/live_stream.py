"""The private stream of an account as a hint: it says «look now», and what is true is read by questions alone.

So a stream that is silent, late, cut or repeats itself costs seconds and never money.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from . import clients

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# What a client can be asked to wait for; every event of the account comes through one of them.
WATCHED = ("watch_orders", "watch_balance")

log = logging.getLogger(__name__)
Hint = Callable[[], None]


class Hints:
    """Listens in a thread of its own from `start` to `stop` and calls `hint` there, for each piece of news."""

    def __init__(self, exchange: str, *, credentials: Mapping[str, str], hint: Hint, demo: bool = False) -> None:
        self._exchange, self._credentials, self._demo, self._hint = exchange, dict(credentials), demo, hint
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="account-stream", daemon=True)

    def start(self) -> "Hints":
        self._thread.start()
        return self

    def stop(self) -> None:
        """End within moments; nothing is called afterwards."""
        self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(10)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._listen())
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.close()

    async def _listen(self) -> None:
        client = clients.streaming_client(self._exchange, credentials=self._credentials, testnet=self._demo)
        try:
            await asyncio.gather(*(listen(getattr(client, name), self._hint) for name in WATCHED))
        finally:
            await client.close()


async def listen(watch: Callable[[], Awaitable[Any]], hint: Hint) -> None:
    """Call `hint` after each piece of news, and after each interruption, in which some may have been missed."""
    pause = FIRST_PAUSE
    while True:
        try:
            await watch()
            pause = FIRST_PAUSE
        except asyncio.CancelledError:
            raise
        except Exception as error:  # whatever a library raises: the stream is only a hint
            log.info("The private stream was interrupted (%s); listening again in %s s.", type(error).__name__, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        hint()
