"""Executions, as venues report them. Unique by account, instrument and the venue's trade id."""

from decimal import Decimal

from django.db import models

from markets.fields import ExactDecimalField
from markets.models import Instrument

from .accounts import Account, Book
from .orders import Order
from .positions import Position


class TradeQuerySet(models.QuerySet["Trade"]):
    def of(self, user: models.Model) -> "TradeQuerySet":
        return self.filter(book__owner=user)


class Trade(models.Model):
    """One execution. `fee` is positive when paid; `realised` is before fees. `order` is empty where the venue acted."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="trades", db_index=False)
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="trades", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="trades")
    position = models.ForeignKey(Position, on_delete=models.PROTECT, null=True, blank=True, related_name="trades")
    venue_trade_id = models.CharField(max_length=80)
    side = models.CharField(max_length=4)
    quantity = ExactDecimalField()
    price = ExactDecimalField()
    value = ExactDecimalField(help_text="Quantity times price, in the settle currency.")
    fee = ExactDecimalField()
    fee_currency = models.CharField(max_length=20)
    realised = ExactDecimalField(default=Decimal(0))
    maker = models.BooleanField(default=False)
    liquidation = models.BooleanField(default=False)
    at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TradeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "instrument", "venue_trade_id"], name="trade_once"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0, price__gt=0), name="trade_positive"),
        ]
        indexes = [
            models.Index(fields=["book", "-id"], name="trade_of_book"),
            models.Index(fields=["book", "-at", "-id"], name="trade_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"

    @property
    def net(self) -> Decimal:
        """What the trade did to cash: realised result minus fee."""
        return self.realised - self.fee
