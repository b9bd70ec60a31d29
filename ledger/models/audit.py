"""The audit trail: who changed limits, keys, modes, states and locks. Append-only; each row seals the one before."""

from typing import Any

from django.db import models


class AuditKind(models.TextChoices):
    STATE = "state", "Trading state"
    LIMITS = "limits", "Limits"
    KEYS = "keys", "Keys"
    MODE = "mode", "Mode"
    LOCK = "lock", "Lock"
    ORDER = "order", "Manual order"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def of(self, user: Any) -> "AuditQuerySet":
        """What this person did."""
        return self.filter(actor=user.get_username())

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("The audit trail is append-only.")

    def update(self, **kwargs: Any) -> int:
        raise TypeError("The audit trail is append-only.")


class AuditEntry(models.Model):
    """One change. `actor` is a name and no key, so that nothing that happens to a user touches the past.

    `change` is JSON as text, because what was sealed must come back to the letter.
    """

    at = models.DateTimeField(help_text="Wall time.")
    actor = models.CharField(max_length=150, blank=True, help_text="Who did it; empty: the system.")
    kind = models.CharField(max_length=8, choices=AuditKind)
    subject = models.CharField(max_length=200, help_text="What was changed.")
    change = models.TextField(help_text="Before and after, as JSON.")
    previous = models.CharField(max_length=64, unique=True, help_text="Hash of the entry before.")
    seal = models.CharField(max_length=64, help_text="Hash of this entry and of the one before.")

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "audit trail"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("The audit trail is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("The audit trail is append-only.")
