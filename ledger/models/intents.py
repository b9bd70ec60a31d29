"""What somebody decided to do on an instrument: committed before anything is sent."""

import uuid

from django.db import models

from markets.fields import ExactDecimalField
from markets.models import Instrument

from .accounts import Book


class IntentKind(models.TextChoices):
    OPEN = "open", "Open"
    ADD = "add", "Add"
    REDUCE = "reduce", "Reduce"
    CLOSE = "close", "Close"
    ADJUST_EXITS = "adjust_exits", "Adjust exits"


class Source(models.TextChoices):
    DECISION = "decision", "Decision"
    GUARDIAN = "guardian", "Guardian"
    PERSON = "person", "Person"


class IntentQuerySet(models.QuerySet["Intent"]):
    def of(self, user: models.Model) -> "IntentQuerySet":
        return self.filter(book__owner=user)


class Intent(models.Model):
    """`key` follows from book, source, reference, instrument and kind, so the same intent cannot be stored twice.

    `reference` names the cause, such as `cycle:41`; `fence` is the book's number under which it was written.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="intents", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=IntentKind)
    source = models.CharField(max_length=10, choices=Source)
    reference = models.CharField(max_length=80)
    fence = models.PositiveBigIntegerField(default=0)
    quantity = ExactDecimalField(null=True, blank=True)
    price = ExactDecimalField(null=True, blank=True, help_text="The price it was judged at.")
    leverage = models.PositiveSmallIntegerField(default=1)
    stop = ExactDecimalField(null=True, blank=True)
    target = ExactDecimalField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = IntentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["book", "-id"], name="intent_of_book")]

    def __str__(self) -> str:
        return f"{self.kind} {self.instrument_id} ({self.reference})"
