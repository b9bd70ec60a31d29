"""The cash journal: append-only. The sum of an account's entries equals the venue's wallet to the last unit."""

from django.db import models

from markets.fields import ExactDecimalField

from .accounts import Account, Book
from .positions import Position
from .trades import Trade


class CashKind(models.TextChoices):
    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    TRANSFER = "transfer", "Transfer"
    REALISED = "realised", "Realised result"
    FEE = "fee", "Fee"
    FUNDING = "funding", "Funding"
    LIQUIDATION = "liquidation", "Liquidation"
    ADL = "adl", "Auto-deleveraging"
    SETTLEMENT = "settlement", "Settlement"
    ADJUSTMENT = "adjustment", "Adjustment"
    OTHER = "other", "Other"

    @classmethod
    def of(cls, name: str) -> "CashKind":
        """The kind of what a venue calls `name`; what we have no word for is OTHER."""
        return cls(name) if name in cls.values else cls.OTHER

    MODEL_SPEND = "model_spend", "Language model"


class CashQuerySet(models.QuerySet["CashEntry"]):
    def of(self, user: models.Model) -> "CashQuerySet":
        return self.filter(book__owner=user)

    def without_trade(self) -> "CashQuerySet":
        """Cash that moved by itself: funding, liquidation, deposits and transfers."""
        return self.filter(trade__isnull=True)


class CashEntry(models.Model):
    """One movement of cash, signed from the book's side. `ref` is the venue's own id or names the cause."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    book = models.ForeignKey(Book, on_delete=models.PROTECT, related_name="entries", db_index=False)
    kind = models.CharField(max_length=12, choices=CashKind)
    currency = models.CharField(max_length=20)
    amount = ExactDecimalField()
    rate = ExactDecimalField(
        null=True,
        blank=True,
        help_text="Of a fee in another currency: its price in the book's own when it was booked; empty: not known.",
    )
    ref = models.CharField(max_length=100)
    trade = models.ForeignKey(
        Trade, on_delete=models.PROTECT, null=True, blank=True, related_name="entries", db_index=False
    )
    position = models.ForeignKey(Position, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CashQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "cash entries"
        constraints = [models.UniqueConstraint(fields=["book", "kind", "ref"], name="cash_once")]
        indexes = [
            models.Index(fields=["book", "-id"], name="cash_of_book"),
            models.Index(
                fields=["book", "-at", "-id"], name="cash_without_trade", condition=models.Q(trade__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"

    def save(self, *args: object, **kwargs: object) -> None:
        if self.pk is not None:
            raise TypeError("The cash journal is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: object, **kwargs: object) -> tuple[int, dict[str, int]]:
        raise TypeError("The cash journal is append-only.")
