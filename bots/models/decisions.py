"""What a decider answered and what became of each item. Written once, by `bots.cycle`."""

from django.db import models

from bots.domain.triggers import Gate
from ledger.models import Intent
from markets.fields import ExactDecimalField
from markets.models import Instrument

from .bots import Bot
from .cycles import Cycle

SPOKE = models.Q(acted=True) | models.Q(refused=True)


class DecisionQuerySet(models.QuerySet["Decision"]):
    def of(self, user: models.Model) -> "DecisionQuerySet":
        return self.filter(bot__owner=user)

    def asked(self) -> "DecisionQuerySet":
        """Moments at which a model was asked, whatever it said."""
        return self.filter(gate__in=(Gate.ASKED, Gate.SHADOW))

    def spoke(self) -> "DecisionQuerySet":
        """Decisions that asked for more than holding, whatever became of it."""
        return self.filter(SPOKE)


class Decision(models.Model):
    """One answer. `raw` is the answer as it came; `summary` the decider's own sentence about the whole."""

    cycle = models.OneToOneField(Cycle, on_delete=models.CASCADE, related_name="decision")
    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    decider = models.CharField(max_length=120)
    policy_version = models.PositiveIntegerField()
    raw = models.JSONField()
    summary = models.TextField(blank=True)
    equity = ExactDecimalField()
    acted = models.BooleanField(help_text="Whether an intent followed.")
    refused = models.BooleanField(help_text="Whether an item was refused.")
    held_because = models.CharField(
        max_length=40,
        blank=True,
        help_text="Code of what kept a language model from deciding; its sentence is the summary.",
    )
    latency_ms = models.FloatField(default=0.0)
    gate = models.CharField(
        max_length=8, blank=True, choices=[(gate.value, gate.value.title()) for gate in Gate],
        help_text="Whether a model was asked; empty: a strategy in code.",
    )  # fmt: skip
    gate_code = models.CharField(max_length=20, blank=True)
    gate_reason = models.CharField(max_length=200, blank=True)
    seen = models.JSONField(null=True, blank=True, help_text="What the triggers remember of an asked moment.")
    at = models.DateTimeField(help_text="Market time.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DecisionQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["bot", "-id"], name="decision_of_bot"),
            models.Index(fields=["bot", "-at", "-id"], name="decision_by_time"),
            models.Index(fields=["bot", "-at", "-id"], name="decision_that_spoke", condition=SPOKE),
        ]

    def __str__(self) -> str:
        return f"{self.bot_id} {self.at:%Y-%m-%d %H:%M}"


class Outcome(models.TextChoices):
    PLANNED = "planned", "Planned"
    SHRUNK = "shrunk", "Shrunk"
    REFUSED = "refused", "Refused"
    HELD = "held", "Held"


class DecisionItem(models.Model):
    """One instrument of an answer: what was asked, the verdict of each rule, and the intent that followed.

    `verdicts` is a list of {code, effect, limit, value, text}; `invalidation` a typed condition of the exit plan.
    """

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="items")
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, null=True, related_name="+")
    symbol = models.CharField(max_length=60, help_text="As the decider wrote it.")
    action = models.CharField(max_length=20)
    conviction = ExactDecimalField(null=True, blank=True)
    stop = ExactDecimalField(null=True, blank=True)
    target = ExactDecimalField(null=True, blank=True)
    invalidation = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome)
    verdicts = models.JSONField(default=list)
    quantity = ExactDecimalField(null=True, blank=True)
    price = ExactDecimalField(null=True, blank=True, help_text="The price it was judged at.")
    intent = models.OneToOneField(Intent, on_delete=models.PROTECT, null=True, blank=True, related_name="decision_item")

    def __str__(self) -> str:
        return f"{self.action} {self.symbol} ({self.outcome})"
