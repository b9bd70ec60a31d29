"""Alerts: what a person should know of, open until the trouble has ended. `ledger.alerts` is the only writer."""

from django.conf import settings
from django.db import models

from .accounts import Account, Book


class AlertKind(models.TextChoices):
    UNKNOWN_ORDER = "unknown_order", "Order of unknown fate"
    NOT_RECONCILED = "not_reconciled", "Not reconciled"
    UNREACHABLE = "unreachable", "Venue does not answer"
    KEY = "key", "Key refused"
    VENUE_CHANGED = "venue_changed", "Venue has changed"
    FOREIGN = "foreign", "Not ours"
    UNPROTECTED = "unprotected", "No stop"
    EXIT_REFUSED = "exit_refused", "Exit refused"
    DUST = "dust", "Remainder too small"
    LOCK = "lock", "Locked"


class Severity(models.TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class AlertQuerySet(models.QuerySet["Alert"]):
    def of(self, user: models.Model) -> "AlertQuerySet":
        return self.filter(owner=user)

    def open(self) -> "AlertQuerySet":
        return self.filter(resolved_at__isnull=True)


class Alert(models.Model):
    """One trouble. `key` names it: there is one open alert for each. All times are wall times."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alerts")
    key = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=AlertKind)
    severity = models.CharField(max_length=8, choices=Severity)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, null=True, blank=True, related_name="alerts")
    book = models.ForeignKey(Book, on_delete=models.CASCADE, null=True, blank=True, related_name="alerts")
    sentence = models.CharField(max_length=400)
    opened_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=200, blank=True, help_text="How it ended.")

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key"], condition=models.Q(resolved_at__isnull=True), name="one_open_alert")
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="alert_of_owner")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.sentence}"
