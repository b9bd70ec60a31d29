"""Locks: no new exposure of a book for a time, in all or in one instrument, on both or on one side.

A lock is a fact about what happened, with an end in market time; a person may lift it. Exits pass always.
"""

from datetime import datetime

from django.conf import settings
from django.db import models

from markets.fields import ExactDecimalField

from .accounts import Book


class LockKind(models.TextChoices):
    COOLDOWN = "cooldown", "Cooldown"
    STOP_GUARD = "stop_guard", "Stop-loss guard"
    LOW_PROFIT = "low_profit", "Low profit"
    DRAWDOWN = "drawdown", "Drawdown"
    DAILY_LOSS = "daily_loss", "Daily loss"
    TRADES_PER_DAY = "trades_per_day", "Trades per day"
    LOSS_STREAK = "loss_streak", "Loss streak"
    REFUSED_ENTRIES = "refused_entries", "Refused entries"
    FAILURES = "failures", "Failed decisions"


class LockQuerySet(models.QuerySet["Lock"]):
    def of(self, user: models.Model) -> "LockQuerySet":
        return self.filter(book__owner=user)

    def holding(self, now: datetime) -> "LockQuerySet":
        """Those that hold at market time `now`."""
        return self.filter(lifted_at__isnull=True, until__gt=now)


class Lock(models.Model):
    """`symbol` is empty for all instruments, `side` for both. `limit` and `value` are the numbers compared."""

    book = models.ForeignKey(Book, on_delete=models.CASCADE, related_name="locks", db_index=False)
    kind = models.CharField(max_length=16, choices=LockKind)
    symbol = models.CharField(max_length=60, blank=True, help_text="Empty: all instruments.")
    side = models.CharField(max_length=5, blank=True, choices=[("long", "Long"), ("short", "Short")])
    reason = models.CharField(max_length=300)
    limit = ExactDecimalField(null=True, blank=True)
    value = ExactDecimalField(null=True, blank=True)
    at = models.DateTimeField(help_text="Market time.")
    until = models.DateTimeField(help_text="Market time.")
    lifted_at = models.DateTimeField(null=True, blank=True, help_text="Wall time at which a person lifted it.")
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = LockQuerySet.as_manager()

    class Meta:
        constraints = [
            # The same happening locks once, however often it is looked at; so a lifted lock stays lifted.
            models.UniqueConstraint(fields=["book", "kind", "symbol", "side", "until"], name="lock_once"),
            models.CheckConstraint(condition=models.Q(until__gt=models.F("at")), name="lock_ends_later"),
        ]
        indexes = [models.Index(fields=["book", "-until"], name="lock_of_book")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} until {self.until:%Y-%m-%d %H:%M}"
