"""Orders. `ledger.ordering` is the only writer of their state."""

import uuid
from decimal import Decimal

from django.db import models

from markets.fields import ExactDecimalField
from markets.models import Instrument

from .accounts import Account, Book
from .intents import Intent


class Role(models.TextChoices):
    ENTRY = "entry", "Entry"
    STOP = "stop", "Stop"
    TARGET = "target", "Target"
    EXIT = "exit", "Exit"


class OrderState(models.TextChoices):
    """PLANNED is committed and not sent; SENDING is claimed; UNKNOWN has no proof either way."""

    PLANNED = "planned", "Planned"
    SENDING = "sending", "Sending"
    OPEN = "open", "Open"
    PARTLY_FILLED = "partly_filled", "Partly filled"
    FILLED = "filled", "Filled"
    CANCELLED = "cancelled", "Cancelled"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "Unknown"

    @classmethod
    def live(cls) -> tuple["OrderState", ...]:
        """The states of orders that may still fill or whose fate is open."""
        return cls.PLANNED, cls.SENDING, cls.OPEN, cls.PARTLY_FILLED, cls.UNKNOWN


LIVE_STATES = OrderState.live()


NOT_CLOSED = models.Q(closed_at__isnull=True)
IS_LIVE = models.Q(state__in=LIVE_STATES)


class OrderQuerySet(models.QuerySet["Order"]):
    def of(self, user: models.Model) -> "OrderQuerySet":
        return self.filter(book__owner=user)

    def live(self) -> "OrderQuerySet":
        """Orders that may still fill or whose fate is open.

        An order that has ended has `closed_at`; asking for both lets the small index of the others serve.
        """
        return self.filter(closed_at__isnull=True, state__in=LIVE_STATES)

    def resting(self) -> "OrderQuerySet":
        return self.filter(closed_at__isnull=True, state__in=(OrderState.OPEN, OrderState.PARTLY_FILLED))


class Order(models.Model):
    """One order. `client_id` is the row's own UUID, shown to the venue and used for look-up only.

    `reserved` is the cash set aside for an entry; it is released in proportion to what is filled.
    `replaces` names the order that this one stands in for (a moved stop).
    """

    client_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    intent = models.ForeignKey(Intent, on_delete=models.PROTECT, related_name="orders")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders", db_index=False)
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="orders", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    position = models.ForeignKey("ledger.Position", on_delete=models.PROTECT, null=True, related_name="orders")
    role = models.CharField(max_length=8, choices=Role)
    type = models.CharField(max_length=8)
    side = models.CharField(max_length=4)
    state = models.CharField(max_length=14, choices=OrderState, default=OrderState.PLANNED)
    quantity = ExactDecimalField()
    filled = ExactDecimalField(default=Decimal(0))
    filled_value = ExactDecimalField(default=Decimal(0), help_text="Sum of quantity times price over its trades.")
    price = ExactDecimalField(null=True, blank=True)
    trigger = ExactDecimalField(null=True, blank=True)
    reduce_only = models.BooleanField(default=False)
    leverage = models.PositiveSmallIntegerField(default=1)
    reserved = ExactDecimalField(default=Decimal(0))
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by")
    venue_id = models.CharField(max_length=80, blank=True)
    reason = models.CharField(max_length=300, blank=True, help_text="Why it was refused or cancelled.")
    at = models.DateTimeField(help_text="Market time of planning.")
    sent_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the claim.")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Market time of its end.")
    told_filled = ExactDecimalField(
        default=Decimal(0), help_text="Filled by the venue's own count: more than `filled` while fills are awaited."
    )
    lookups = models.PositiveSmallIntegerField(default=0, help_text="How often the venue did not know it.")
    lookup_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the next look-up.")
    deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="Wall time from which «not found» is final; until then it blocks."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gt=0, filled__gte=0), name="order_quantities"),
            models.CheckConstraint(
                condition=(NOT_CLOSED & IS_LIVE) | (~NOT_CLOSED & ~IS_LIVE), name="order_closed_by_state"
            ),
        ]
        indexes = [
            # SQLite uses a partial index only where its condition needs no parameter.
            models.Index(fields=["account", "state"], name="order_live", condition=NOT_CLOSED),
            models.Index(fields=["book", "state", "-at", "-id"], name="order_live_of_book", condition=NOT_CLOSED),
            models.Index(fields=["book", "-id"], name="order_of_book"),
            models.Index(fields=["book", "-at", "-id"], name="order_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.side} {self.quantity} ({self.state})"

    @property
    def ended(self) -> bool:
        """Whether nothing more can come of it."""
        return self.state in (OrderState.FILLED, OrderState.CANCELLED, OrderState.REFUSED)

    @property
    def written_off(self) -> bool:
        """Ended because the venue never knew it; if it turns up after all, it lives again."""
        return self.state == OrderState.REFUSED and self.lookups > 0

    @property
    def awaits_fills(self) -> bool:
        """Whether the venue says more was filled than it has shown."""
        return self.told_filled > self.filled

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        return self.filled_value / self.filled if self.filled else None
