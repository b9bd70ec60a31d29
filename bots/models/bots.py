"""Bots: a decider with a book, instruments, a schedule and a policy."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from bots.domain.triggers import Thresholds
from ledger.models import Book
from markets.fields import ExactDecimalField
from markets.models import Feed, Instrument

from .policies import RiskPolicy
from .prompts import PromptVersion


class BotStatus(models.TextChoices):
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    STOPPED = "stopped", "Stopped"


def default_timeframes() -> list[str]:
    return ["5m", "15m", "1h"]


class BotQuerySet(models.QuerySet["Bot"]):
    def of(self, user: models.Model) -> "BotQuerySet":
        return self.filter(owner=user)

    def on(self, feed: Feed) -> "BotQuerySet":
        return self.filter(book__account__feed=feed)

    def due(self, now: datetime) -> "BotQuerySet":
        return self.filter(status=BotStatus.RUNNING, next_run_at__lte=now)


class Bot(models.Model):
    """`next_run_at` is in the market time of its feed. `colour` and `monogram` are its mark in every chart.

    `decider` names who answers: `house:<strategy>` for a strategy in code, `model:<name>` for a language model of the
    owner. `model_failures` counts cycles in a row that got no usable answer; `model_trouble` is the newest reason.
    Prompt, question cap and shadow share are for models; strategies in code are asked at every slot.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bots")
    name = models.CharField(max_length=60)
    book = models.OneToOneField(Book, on_delete=models.PROTECT, related_name="bot")
    policy = models.ForeignKey(RiskPolicy, on_delete=models.PROTECT, related_name="bots")
    instruments = models.ManyToManyField(Instrument, related_name="+")
    decider = models.CharField(max_length=120, default="house:trend")
    seed = models.BigIntegerField(default=0, help_text="Seed of deciders that draw lots.")
    timeframes = models.JSONField(default=default_timeframes, help_text="Finest first.")
    decision_seconds = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(5), MaxValueValidator(240)],
        help_text="Wall seconds a language model has for its decision; then the bot holds.",
    )
    safe_after = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1)],
        help_text="After so many failures of its model in a row it enters nothing new until one has answered.",
    )
    model_failures = models.PositiveIntegerField(default=0, editable=False)
    model_trouble = models.CharField(max_length=400, blank=True, editable=False)
    model_trouble_at = models.DateTimeField(null=True, blank=True, editable=False)
    interval_seconds = models.PositiveIntegerField(default=180, help_text="Market seconds between two cycles.")
    position_interval_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="Another interval while it holds a position; empty: the same."
    )
    crontab = models.CharField(
        max_length=100,
        blank=True,
        help_text="Instead of the interval, in UTC: minute, hour, day of month, month, day of week, as */15 * * * *.",
    )
    prompt_version = models.ForeignKey(
        PromptVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="bots",
        help_text="The wording a model gets; empty: the one that ships.",
    )  # fmt: skip
    question_cap_minutes = models.PositiveSmallIntegerField(
        default=60, help_text="A model is asked at least this often; 0: at every slot, without triggers."
    )
    shadow_share = ExactDecimalField(
        default=Decimal("0.05"), help_text="Share of skipped moments that is asked all the same, 0 to 1."
    )
    status = models.CharField(max_length=8, choices=BotStatus, default=BotStatus.PAUSED)
    next_run_at = models.DateTimeField(null=True, blank=True)
    skipped_slots = models.PositiveIntegerField(default=0, editable=False)
    colour = models.PositiveSmallIntegerField(default=0, help_text="0 to 7: its place in the colour-blind safe set.")
    monogram = models.CharField(max_length=2)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BotQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(interval_seconds__gte=60), name="bot_interval_a_minute"),
            models.CheckConstraint(
                condition=models.Q(position_interval_seconds__isnull=True)
                | models.Q(position_interval_seconds__gte=60),
                name="bot_position_interval",
            ),
            models.CheckConstraint(
                condition=models.Q(shadow_share__gte=0, shadow_share__lte=1), name="bot_shadow_share"
            ),
        ]
        indexes = [models.Index(fields=["status", "next_run_at"], name="bot_due")]

    def __str__(self) -> str:
        return self.name

    @property
    def safe_mode(self) -> bool:
        """Whether its model has failed so often in a row that nothing new is entered."""
        return self.model_failures >= self.safe_after

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)

    @property
    def asks_a_model(self) -> bool:
        """Whether its decider reads a prompt; strategies in code do not."""
        return not self.decider.startswith("house:")

    @property
    def position_interval(self) -> timedelta:
        return timedelta(seconds=self.position_interval_seconds or self.interval_seconds)

    @property
    def thresholds(self) -> Thresholds:
        """When a model is asked."""
        return Thresholds(cap=timedelta(minutes=self.question_cap_minutes), shadow=self.shadow_share)
