"""Calls to language models and the budgets they are made within. Written by `bots.reservations` alone.

A call's row is committed before anything is sent: it is the reservation of tokens and money, and the place among the
calls its provider may have at once. A dead worker's place is free again when the lease ends.
"""

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models

from markets.fields import ExactDecimalField

from .backtests import Backtest
from .bots import Bot
from .cycles import Cycle
from .providers import LanguageModel, Provider

IN_FLIGHT = models.Q(state="asking")


class Purpose(models.TextChoices):
    ASK = "ask", "Question"
    REPAIR = "repair", "Repair"
    FALLBACK = "fallback", "Fallback"
    TEST = "test", "Test"
    BACKTEST = "backtest", "Backtest"
    OTHER = "other", "Other"


class CallState(models.TextChoices):
    """UNKNOWN: nobody can say what it used, so the day's budget keeps what was reserved for it."""

    ASKING = "asking", "Asking"
    ANSWERED = "answered", "Answered"
    FAILED = "failed", "Failed"
    UNKNOWN = "unknown", "Unknown"


class ModelCallQuerySet(models.QuerySet["ModelCall"]):
    def of(self, user: models.Model) -> "ModelCallQuerySet":
        return self.filter(provider__owner=user)

    def in_flight(self, wall: datetime) -> "ModelCallQuerySet":
        return self.filter(IN_FLIGHT, lease_until__gt=wall)

    def overdue(self, wall: datetime) -> "ModelCallQuerySet":
        """Left behind by a process that died between reservation and settlement."""
        return self.filter(IN_FLIGHT, lease_until__lte=wall)


class ModelCall(models.Model):
    """One request to a provider: what was sent, what came back, what it used and cost. All times are wall time.

    `reserved_*` is the worst case that was set aside, `cost` what the reported usage comes to in US dollars; empty
    where usage or price is unknown. Keys are in no column.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="calls")
    model = models.ForeignKey(LanguageModel, on_delete=models.SET_NULL, null=True, related_name="calls")
    model_id_sent = models.CharField(max_length=200)
    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, null=True, blank=True, related_name="calls", db_index=False)
    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, null=True, blank=True, related_name="calls")
    backtest = models.ForeignKey(Backtest, on_delete=models.SET_NULL, null=True, blank=True, related_name="calls")
    purpose = models.CharField(max_length=8, choices=Purpose, default=Purpose.ASK)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="Within its cycle.")
    state = models.CharField(max_length=8, choices=CallState, default=CallState.ASKING)
    form = models.CharField(max_length=8, help_text="schema, json, tool or text.")
    messages = models.JSONField()
    parameters = models.JSONField(default=dict)
    answer = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    input_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    output_tokens = models.PositiveBigIntegerField(null=True, blank=True, help_text="Reasoning included.")
    reasoning_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    cost = ExactDecimalField(null=True, blank=True)
    latency_ms = models.FloatField(null=True, blank=True)
    finish_reason = models.CharField(max_length=40, blank=True)
    request_id = models.CharField(max_length=120, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.CharField(max_length=400, blank=True)
    day = models.DateField(help_text="The UTC day whose budget it is counted on.")
    reserved_tokens = models.PositiveBigIntegerField(default=0)
    reserved_money = ExactDecimalField(default=Decimal(0))
    lease_until = models.DateTimeField()
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ModelCallQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["bot", "-id"], name="call_of_bot"),
            models.Index(fields=["provider", "lease_until"], name="call_in_flight", condition=IN_FLIGHT),
        ]

    def __str__(self) -> str:
        return f"{self.model_id_sent} {self.created_at:%Y-%m-%d %H:%M:%S}"


class BudgetQuerySet(models.QuerySet["Budget"]):
    def of(self, user: models.Model) -> "BudgetQuerySet":
        return self.filter(owner=user)


class Budget(models.Model):
    """What the calls of a bot, or without a bot of all its owner's, may use on one UTC day, and have used.

    `tokens` and `money` hold what was used on `day` and what is reserved by calls in flight. An empty limit is none.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="budgets")
    bot = models.OneToOneField(Bot, on_delete=models.CASCADE, null=True, blank=True, related_name="budget")
    daily_tokens = models.PositiveBigIntegerField(null=True, blank=True, default=5_000_000)
    daily_money = ExactDecimalField(
        null=True,
        blank=True,
        default=Decimal(5),
        validators=[MinValueValidator(Decimal(0))],
        help_text="US dollars. Counts only models with prices.",
    )
    day = models.DateField(null=True, blank=True, editable=False)
    tokens = models.PositiveBigIntegerField(default=0, editable=False)
    money = ExactDecimalField(default=Decimal(0), editable=False)
    total_tokens = models.PositiveBigIntegerField(default=0, editable=False)
    total_cost = ExactDecimalField(default=Decimal(0), editable=False)
    unknown_costs = models.PositiveIntegerField(default=0, editable=False, help_text="Calls of unknown cost.")

    objects = BudgetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner"], condition=models.Q(bot__isnull=True), name="one_budget_of_all")
        ]

    def __str__(self) -> str:
        return f"budget of {self.bot or self.owner}"
