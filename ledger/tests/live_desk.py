"""A live account for tests: a book on an exchange across a network, watched over by the guardian's own rounds."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings

from ledger import accounts, gateway, guardian_watch, live_orders, live_rounds
from ledger.models import Account, AccountKind, Alert, Order, Position
from ledger.tests import builders
from ledger.tests.desk import Desk
from ledger.tests.scripted import Exchange
from markets.models import FeedKind, Quote


@dataclass
class LiveDesk(Desk):
    """`now` is wall time and market time; `wait` lets it pass, with a round of the guardian at its end."""

    exchange: Exchange = None  # type: ignore[assignment]

    @classmethod
    def connect(cls, monkeypatch, capital="10000", price="50000", name="live desk", **fields) -> "LiveDesk":
        feed = builders.feed("live", kind=FeedKind.LIVE, exchange=builders.EXCHANGE, running=True)
        feed.running = True
        feed.save()
        instrument = builders.instrument()
        account = Account.objects.create(
            owner=builders.user(), name=name, kind=AccountKind.LIVE, feed=feed, **{"armed": True} | fields
        )
        exchange = Exchange(instrument, capital, price)
        exchanges = {account.pk: exchange}
        before = gateway.live_venue
        monkeypatch.setattr(gateway, "live_venue", lambda a: exchanges.get(a.pk) or before(a))
        monkeypatch.setattr(settings, "LIVE_TRADING", True)
        monkeypatch.setattr(live_orders, "_looked", {})
        monkeypatch.setattr(live_rounds, "LANES", 0)  # other threads do not see what a test has not committed
        now = datetime.now(UTC)
        accounts.open_books(account=account, wall=now)
        book = accounts.open_book(account=account, name=name, capital=Decimal(capital), at=now)
        desk = cls(account, book, instrument, now, exchange=exchange)
        desk.quote(price)
        return desk

    def quote(self, price):
        Quote.objects.filter(feed=self.account.feed, instrument=self.instrument).delete()
        return super().quote(price)

    def move(self, price, *, sweep=True):
        self.exchange.move(price)
        self.quote(price)
        if sweep:
            self.round()

    def round(self) -> None:
        """A round of the guardian at this moment."""
        guardian_watch._told.at = datetime.min.replace(tzinfo=UTC)
        live_orders._looked.clear()
        guardian_watch.one_round(self.now)
        self.collected()

    def wait(self, seconds: float, rounds: int = 1) -> None:
        """Let time pass, as far as the rows can tell: everything that was stamped is that much older."""
        for _ in range(rounds):
            self.older(seconds / rounds)
            self.round()

    def older(self, seconds: float) -> None:
        """Time has passed: what is stamped in wall time moves into the past instead, since the clock cannot be set."""
        by = timedelta(seconds=seconds)
        for model, names in (
            (Order, ("sent_at", "lookup_at", "deadline_at", "at", "created_at")),
            (Position, ("unprotected_since", "opened_at")),
            (Account, ("compared_at", "silent_since", "reconciled_at")),
        ):
            for row in model.objects.all():
                model.objects.filter(pk=row.pk).update(**{n: v - by for n in names if (v := getattr(row, n))})
        self.now = datetime.now(UTC)

    def collected(self) -> None:
        self.account.refresh_from_db()
        self.book.refresh_from_db()
        self.book.account = self.account

    def collect(self) -> None:
        self.collected()

    def stop(self) -> Order | None:
        return Order.objects.resting().filter(account=self.account, role="stop").order_by("id").last()

    def alerts(self) -> list[str]:
        return list(Alert.objects.open().values_list("kind", flat=True).order_by("kind"))
