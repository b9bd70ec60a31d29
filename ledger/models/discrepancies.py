"""Where ledger and venue did not agree, and what was done about it. `ledger.reconciliation` is the only writer."""

from django.conf import settings
from django.db import models

from .accounts import Account


class Outcome(models.TextChoices):
    """OPEN stops the account. IMPORTED and SETTLED have ended; FOREIGN is known, shown and left alone."""

    OPEN = "open", "Open"
    IMPORTED = "imported", "Imported"
    SETTLED = "settled", "Settled by itself"
    FOREIGN = "foreign", "Not ours: left alone"
    ADOPTED = "adopted", "Adopted by hand"
    ACCEPTED = "accepted", "Accepted by hand"


class DiscrepancyQuerySet(models.QuerySet["Discrepancy"]):
    def of(self, user: models.Model) -> "DiscrepancyQuerySet":
        return self.filter(account__owner=user)

    def standing(self) -> "DiscrepancyQuerySet":
        """Those that are still so."""
        return self.filter(resolved_at__isnull=True)


class Discrepancy(models.Model):
    """One thing on which the two did not agree: `what` names it within its account. Times are wall times."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="discrepancies", db_index=False)
    what = models.CharField(max_length=120)
    ledger = models.CharField(max_length=200)
    venue = models.CharField(max_length=200)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.OPEN)
    done = models.CharField(max_length=300, blank=True, help_text="What was done about it, in one sentence.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    found_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it was last seen.")
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = DiscrepancyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "discrepancies"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "what"], condition=models.Q(resolved_at__isnull=True), name="one_standing_of_each"
            )
        ]
        indexes = [models.Index(fields=["account", "-id"], name="discrepancy_of_account")]

    def __str__(self) -> str:
        return f"{self.what}: the ledger says {self.ledger}, the venue {self.venue}"
