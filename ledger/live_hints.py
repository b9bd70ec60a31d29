"""Listens to the private streams of live accounts, so that their news is looked at at once; asking stays the truth.

Where no stream can be had, the guardian's rounds find the same a few seconds later.
"""

from collections.abc import Iterable
from functools import partial

import structlog

from markets.exchanges.live_stream import Hints

from . import live_rounds
from .gateway import NoVenue, stream_of
from .models import Account

log = structlog.get_logger(__name__)


class Listeners:
    """One listener for each account and key; its thread only passes hints on."""

    def __init__(self) -> None:
        self._heard: dict[tuple[int, str], Hints | None] = {}

    def follow(self, accounts: Iterable[Account]) -> None:
        """Listen to these accounts with their present keys, and to no others."""
        wanted = {(account.pk, account.sealed_credentials): account for account in accounts}
        for gone in self._heard.keys() - wanted.keys():
            self._stop(gone)
        for key in wanted.keys() - self._heard.keys():
            self._heard[key] = self._start(wanted[key])

    def stop(self) -> None:
        self.follow(())

    def _start(self, account: Account) -> Hints | None:
        try:
            return stream_of(account, partial(live_rounds.hinted, account.pk)).start()
        except NoVenue as why:
            log.info("no_private_stream", account=account.pk, why=str(why))
            return None

    def _stop(self, key: tuple[int, str]) -> None:
        listener = self._heard.pop(key)
        if listener is not None:
            listener.stop()
