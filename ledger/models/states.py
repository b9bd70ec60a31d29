"""Trading states of the system, of accounts and of books. A change ends the old row and adds one: who, when, why."""

from django.conf import settings
from django.db import models

from .accounts import Account, Book


class TradingStateKind(models.TextChoices):
    ACTIVE = "active", "Active"
    REDUCE_ONLY = "reduce_only", "Reduce-only"
    HALTED = "halted", "Halted"


class TradingStateQuerySet(models.QuerySet["TradingState"]):
    def of(self, user: models.Model) -> "TradingStateQuerySet":
        """States of this user's accounts and books, and those of the whole system."""
        return self.filter(models.Q(account__owner=user) | models.Q(book__owner=user) | models.Q(scope="system"))

    def current(self) -> "TradingStateQuerySet":
        return self.filter(ended_at__isnull=True)

    def limiting(self, *, account: object, book: object) -> "TradingStateQuerySet":
        """The current states that keep a book of an account from entering; both may be outer references."""
        scopes = models.Q(scope="system") | models.Q(account=account) | models.Q(book=book)
        return self.current().exclude(state=TradingStateKind.ACTIVE).filter(scopes)


class TradingState(models.Model):
    """The state of one scope since `at` (wall time): the system where account and book are empty."""

    scope = models.CharField(max_length=40, help_text="`system`, `account:<id>` or `book:<id>`.")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="states")
    book = models.ForeignKey(Book, on_delete=models.CASCADE, null=True, blank=True, related_name="states")
    state = models.CharField(max_length=12, choices=TradingStateKind, default=TradingStateKind.ACTIVE)
    reason = models.CharField(max_length=300)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    at = models.DateTimeField()
    market_at = models.DateTimeField(
        null=True, blank=True, help_text="Market time of the change, on the feed of its scope."
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = TradingStateQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["scope"], condition=models.Q(ended_at__isnull=True), name="one_current_state"
            ),
            models.CheckConstraint(
                condition=models.Q(account__isnull=True) | models.Q(book__isnull=True), name="state_one_scope"
            ),
        ]

    def __str__(self) -> str:
        return self.state
