"""The whole product in one process without servers: pages, worker, beat and guardian, each in its place.

Daphne has the main thread; the others are threads. A file lock keeps a second process off the same data. In
production the same parts are processes of their own, and nothing of this module is used.
"""

import asyncio
import fcntl
import gc
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import structlog
from celery import beat

from ledger import guardian_watch
from markets import broadcast
from markets.live import driver
from markets.models import Feed, FeedKind
from tradingsite.celery import app

log = structlog.get_logger(__name__)
STOP_SECONDS = 20.0  # for all parts together, once no new work begins
SEARCHES = (5_000, 10, 10)  # new objects until the youngest are searched, and so many of these until older ones are
SWITCH_SECONDS = 0.0005  # after which a thread that computes lets others go on: a live price passes through four


class CannotStart(Exception):
    """Why the process must not start, in one sentence."""


def hold(data_dir: Path) -> IO[str]:
    """The lock of a data folder, held until the process ends. Raises CannotStart where another process holds it."""
    file = (data_dir / "up.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        raise CannotStart(f"Another process (pid {holder}) already works on the data in {data_dir}.") from None
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_port(host: str, port: int) -> None:
    """Raises CannotStart where the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise CannotStart(f"Port {port} on {host} is busy: choose another one with --port.") from None


def serve(*, host: str, port: int, ready: Callable[[], None]) -> None:
    """Run every part until SIGINT or SIGTERM, then end them in order: no new work, running work to its end."""
    from daphne.server import Server

    from tradingsite.asgi import application

    sys.setswitchinterval(SWITCH_SECONDS)
    parts = Parts()

    def listening() -> None:
        broadcast.attach(asyncio.get_event_loop())
        look_through_less()
        parts.start()
        ready()

    server = Server(
        application=application,
        endpoints=[f"tcp:port={port}:interface={host}"],
        signal_handlers=True,
        ready_callable=listening,
        verbosity=0,
    )
    try:
        server.run()
    finally:
        broadcast.attach(None)
        parts.stop()


def look_through_less() -> None:
    """A search for garbage stops every thread, for a quarter of a second once all is loaded: what is loaded stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SEARCHES)


def live_exchanges() -> list[str]:
    """The exchanges whose live feeds run here."""
    feeds = Feed.objects.running().filter(kind=FeedKind.LIVE)
    return sorted(set(feeds.values_list("exchange", flat=True)))


class Parts:
    """Worker, beat and guardian as threads, and the prices of a live market."""

    def __init__(self) -> None:
        self.worker: Any = app.WorkController(pool_cls="threads", loglevel="WARNING", without_heartbeat=True,
                                              without_mingle=True, without_gossip=True, quiet=True)  # fmt: skip
        # Without the explicit class the embedded service would keep its schedule in a file.
        scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
        self.beat: Any = beat.EmbeddedService(app, thread=True, scheduler_cls=scheduler)
        self.ended = threading.Event()
        self.threads = [
            threading.Thread(target=self.worker.start, name="worker", daemon=True),
            threading.Thread(target=guardian_watch.run, args=(self.ended,), name="guardian", daemon=True),
            *(
                threading.Thread(target=driver.run, args=(exchange, self.ended), name=f"live-{exchange}", daemon=True)
                for exchange in live_exchanges()
            ),
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()
        self.beat.start()

    def stop(self) -> None:
        """Beat first, so that nothing new begins; then the worker, which lets running tasks end."""
        from bots.tasks import LAB_ENDS

        LAB_ENDS.set()
        self.ended.set()
        self.beat.stop()
        stopper = threading.Thread(target=self.worker.stop, daemon=True)
        stopper.start()
        until = time.monotonic() + STOP_SECONDS
        ending = [*self.threads[1:], stopper]
        for thread in ending:
            thread.join(max(0.0, until - time.monotonic()))
        log.info("stopped", orderly=not any(thread.is_alive() for thread in ending))
