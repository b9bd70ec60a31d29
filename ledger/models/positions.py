"""Positions, from flat to flat. `ledger.booking` writes what fills change, `ledger.ordering` the plan's columns."""

from decimal import Decimal

from django.db import models

from markets.domain.holdings import Holding
from markets.fields import ExactDecimalField
from markets.models import Instrument

from .accounts import Account, Book
from .intents import Intent


class PositionState(models.TextChoices):
    OPENING = "opening", "Opening"
    OPEN = "open", "Open"
    CLOSED = "closed", "Closed"


NOT_CLOSED = models.Q(closed_at__isnull=True)
IS_CLOSED = models.Q(state=PositionState.CLOSED)


class PositionQuerySet(models.QuerySet["Position"]):
    def of(self, user: models.Model) -> "PositionQuerySet":
        return self.filter(book__owner=user)

    def current(self) -> "PositionQuerySet":
        """Opening or open: what takes up room."""
        return self.filter(closed_at__isnull=True, state__in=(PositionState.OPENING, PositionState.OPEN))

    def open(self) -> "PositionQuerySet":
        return self.filter(closed_at__isnull=True, state=PositionState.OPEN)

    def closed(self) -> "PositionQuerySet":
        """Positions that ran their course; an opening that never filled is not one."""
        return self.filter(state=PositionState.CLOSED, opened_at__isnull=False)


class Position(models.Model):
    """One position of a book. `quantity` is signed and zero while `opening`; `cost` is the entry value.

    After closing `quantity` is zero and `size` tells the largest it was. `stop`, `target`, `trail` and
    `expires_at` are its exit plan; the guardian enforces them.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="positions", db_index=False)
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="positions", db_index=False)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="+")
    intent = models.ForeignKey(
        Intent, on_delete=models.PROTECT, null=True, blank=True, related_name="positions", help_text="What opened it."
    )
    state = models.CharField(max_length=8, choices=PositionState, default=PositionState.OPENING)
    long = models.BooleanField()
    quantity = ExactDecimalField(default=Decimal(0))
    cost = ExactDecimalField(default=Decimal(0))
    size = ExactDecimalField(default=Decimal(0), help_text="The largest quantity it had.")
    entry_value = ExactDecimalField(default=Decimal(0), help_text="Sum of quantity times price over its entries.")
    entry_quantity = ExactDecimalField(default=Decimal(0))
    exit_value = ExactDecimalField(default=Decimal(0))
    exit_quantity = ExactDecimalField(default=Decimal(0))
    margin = ExactDecimalField(default=Decimal(0))
    leverage = models.PositiveSmallIntegerField(default=1)
    realised = ExactDecimalField(default=Decimal(0), help_text="Before fees and funding.")
    fees = ExactDecimalField(default=Decimal(0))
    funding = ExactDecimalField(default=Decimal(0), help_text="Signed: negative when paid.")
    stop = ExactDecimalField(null=True, blank=True)
    target = ExactDecimalField(null=True, blank=True)
    trail = ExactDecimalField(
        null=True, blank=True, help_text="Distance of a trailing stop, as a fraction of the price."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Market time at which it is closed.")
    peak = ExactDecimalField(null=True, blank=True, help_text="Best mark since opening.")
    trough = ExactDecimalField(null=True, blank=True, help_text="Worst mark since opening.")
    unprotected_since = models.DateTimeField(null=True, blank=True, help_text="Market time since which no stop rests.")
    unprotected_seconds = models.FloatField(default=0.0)
    exit_reason = models.CharField(max_length=40, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PositionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "instrument"],
                condition=~models.Q(state="closed"),
                name="one_position_per_instrument",
            ),
            models.CheckConstraint(condition=models.Q(cost__gte=0, margin__gte=0), name="position_values"),
            models.CheckConstraint(
                condition=(NOT_CLOSED & ~IS_CLOSED) | (~NOT_CLOSED & IS_CLOSED), name="position_closed_by_state"
            ),
        ]
        indexes = [
            # SQLite uses a partial index only where its condition needs no parameter.
            models.Index(fields=["account", "state"], name="position_current", condition=NOT_CLOSED),
            models.Index(fields=["book", "state", "-id"], name="position_current_of_book", condition=NOT_CLOSED),
            models.Index(fields=["book", "-id"], name="position_of_book"),
            models.Index(fields=["book", "-closed_at"], name="position_closed"),
        ]

    def __str__(self) -> str:
        return f"{self.direction} {self.instrument_id} ({self.state})"

    @property
    def direction(self) -> str:
        return "long" if self.long else "short"

    @property
    def holding(self) -> Holding:
        return Holding(self.quantity, self.cost)

    @property
    def entry_price(self) -> Decimal | None:
        return self.entry_value / self.entry_quantity if self.entry_quantity else None

    @property
    def exit_price(self) -> Decimal | None:
        return self.exit_value / self.exit_quantity if self.exit_quantity else None

    @property
    def net(self) -> Decimal:
        """Realised result after fees and funding."""
        return self.realised - self.fees + self.funding
