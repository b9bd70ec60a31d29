"""Which process brings the prices of an exchange: one, by a lease in the database that it renews."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.db.models import Q

from markets.models import ExchangeState, Source

LEASE = timedelta(seconds=10)


class Lease:
    """Held from `acquire` until it is lost or released."""

    def __init__(self, exchange: str) -> None:
        self.exchange, self.holder = exchange, uuid4().hex
        self._until: datetime | None = None

    def acquire(self) -> bool:
        wall = datetime.now(UTC)
        ExchangeState.objects.get_or_create(exchange=self.exchange)
        free = ExchangeState.objects.filter(exchange=self.exchange).filter(
            Q(lease_until__isnull=True) | Q(lease_until__lt=wall)
        )
        return self._kept(free.update(lease_holder=self.holder, lease_until=wall + LEASE), wall)

    def renew(self) -> bool:
        """False where another process has it now. While more than half of it is left memory answers."""
        wall = datetime.now(UTC)
        if self._until is not None and self._until - wall > LEASE / 2:
            return True
        mine = ExchangeState.objects.filter(exchange=self.exchange, lease_holder=self.holder)
        return self._kept(mine.update(lease_until=wall + LEASE), wall)

    def release(self) -> None:
        ExchangeState.objects.filter(exchange=self.exchange, lease_holder=self.holder).update(
            lease_holder="", lease_until=None, source=Source.NONE
        )

    def _kept(self, rows: int, wall: datetime) -> bool:
        self._until = wall + LEASE if rows else None
        return bool(rows)


@contextmanager
def leading(exchange: str) -> Iterator[Lease | None]:
    """The lease, or None where another process leads."""
    lease = Lease(exchange)
    held = lease.acquire()
    try:
        yield lease if held else None
    finally:
        if held:
            lease.release()
