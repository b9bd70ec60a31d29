"""Bots: a decider with a book, instruments, a schedule and a policy."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from ledger.models import Book
from markets.models import Feed, Instrument

from .policies import RiskPolicy


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

    `decider` names who answers: `house:<strategy>` for a strategy in code.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bots")
    name = models.CharField(max_length=60)
    book = models.OneToOneField(Book, on_delete=models.PROTECT, related_name="bot")
    policy = models.ForeignKey(RiskPolicy, on_delete=models.PROTECT, related_name="bots")
    instruments = models.ManyToManyField(Instrument, related_name="+")
    decider = models.CharField(max_length=60, default="house:trend")
    seed = models.BigIntegerField(default=0, help_text="Seed of deciders that draw lots.")
    timeframes = models.JSONField(default=default_timeframes, help_text="Finest first.")
    interval_seconds = models.PositiveIntegerField(default=180, help_text="Market seconds between two cycles.")
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
        ]
        indexes = [models.Index(fields=["status", "next_run_at"], name="bot_due")]

    def __str__(self) -> str:
        return self.name

    @property
    def interval(self) -> timedelta:
        return timedelta(seconds=self.interval_seconds)
