"""The paper venue's own state: what an exchange would keep on its side. The ledger never reads these tables.

Only `markets.exchanges.paper` writes here. The ledger learns of fills through the reports, as from a live venue.
"""

import uuid

from django.db import models

from markets.fields import ExactDecimalField

from .feeds import Feed
from .instruments import Instrument


class PaperAccount(models.Model):
    """A customer of the paper venue: one wallet in one currency, one-way positions, isolated margin."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, help_text="How the ledger's account names it.")
    feed = models.ForeignKey(Feed, on_delete=models.PROTECT, related_name="paper_accounts")
    currency = models.CharField(max_length=20)
    wallet = ExactDecimalField()
    trades = models.PositiveBigIntegerField(default=0, help_text="Number of trades so far; numbers the next one.")

    def __str__(self) -> str:
        return str(self.key)


class PaperOrder(models.Model):
    account = models.ForeignKey(PaperAccount, on_delete=models.CASCADE, related_name="orders", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=64)
    side = models.CharField(max_length=4)
    type = models.CharField(max_length=8)
    status = models.CharField(max_length=16)
    quantity = ExactDecimalField()
    filled = ExactDecimalField()
    price = ExactDecimalField(null=True)
    trigger = ExactDecimalField(null=True)
    reduce_only = models.BooleanField(default=False)
    leverage = models.PositiveSmallIntegerField(default=1)
    reason = models.CharField(max_length=200, blank=True)
    live = models.BooleanField(default=True)
    at = models.DateTimeField()

    class Meta:
        # A used client id may come again once its order is closed, as on real venues.
        constraints = [
            models.UniqueConstraint(
                fields=["account", "client_id"], condition=models.Q(live=True), name="paper_order_live_once"
            )
        ]
        indexes = [
            models.Index(fields=["account", "instrument"], name="paper_order_live", condition=models.Q(live=True)),
            models.Index(fields=["account", "client_id"], name="paper_order_client"),
        ]

    def __str__(self) -> str:
        return self.client_id


class PaperPosition(models.Model):
    """An open position; the row goes when it is flat."""

    account = models.ForeignKey(PaperAccount, on_delete=models.CASCADE, related_name="positions")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    quantity = ExactDecimalField(help_text="Signed: long is positive.")
    cost = ExactDecimalField()
    margin = ExactDecimalField()
    leverage = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "instrument"], name="paper_position_once")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.instrument_id} {self.quantity}"


class PaperReport(models.Model):
    """The venue's private stream, kept: fills, income and order updates in the order in which they happened.

    `body` holds the report with its Decimals as text; `ref` makes income and trades unique per account.
    """

    account = models.ForeignKey(PaperAccount, on_delete=models.CASCADE, related_name="reports", db_index=False)
    kind = models.CharField(max_length=8)
    ref = models.CharField(max_length=100)
    body = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "ref"], condition=~models.Q(kind="order"), name="paper_report_once"
            )
        ]
        indexes = [models.Index(fields=["account", "id"], name="paper_report_stream")]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"
