"""Backtests that somebody asked for, with what made them and what came of them. Written by `bots.backtests.runs` alone.

The row is the truth: a worker that finds it queued runs it, whatever became of the message that told of it.
"""

from __future__ import annotations

import json
import zlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models

# A run says far more often that it goes on; reading years of candles and waiting for a model take the longest.
LOST_AFTER = timedelta(minutes=5)


class BacktestState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class Asker(models.TextChoices):
    COMMAND = "command", "Command"
    PAGE = "page", "Page"
    API = "api", "API"


UNDER_WAY = (BacktestState.QUEUED, BacktestState.RUNNING)


class BacktestQuerySet(models.QuerySet["Backtest"]):
    def of(self, user: models.Model) -> BacktestQuerySet:
        return self.filter(owner=user)

    def light(self) -> BacktestQuerySet:
        """Without the whole report, which is large."""
        return self.defer("packed")

    def under_way(self) -> BacktestQuerySet:
        return self.filter(state__in=UNDER_WAY)

    def lost(self, wall: datetime) -> BacktestQuerySet:
        """Running, but nobody has said so for long: the process is dead."""
        return self.filter(state=BacktestState.RUNNING, beat_at__lt=wall - LOST_AFTER)


class Backtest(models.Model):
    """`request` is what was asked for, in the words of `bots.backtests.request`; `made` what made the result.

    `summary` is what `manage.py backtest --json` tells, `packed` the whole report. All times are wall time. `attempts`
    counts the workers that began it.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="backtests")
    asked_by = models.CharField(max_length=8, choices=Asker, default=Asker.PAGE)
    request = models.JSONField()
    decider = models.CharField(max_length=140)
    state = models.CharField(max_length=10, choices=BacktestState, default=BacktestState.QUEUED)
    progress = models.FloatField(default=0.0, help_text="0 to 1.")
    note = models.CharField(max_length=200, blank=True, help_text="What it is doing, in a few words.")
    error = models.CharField(max_length=400, blank=True, help_text="Why there is no result, in one sentence.")
    made = models.JSONField(null=True, blank=True)
    summary = models.JSONField(null=True, blank=True)
    packed = models.BinaryField(null=True, editable=False)
    cancel_asked = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = BacktestQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["owner", "-id"], name="backtest_of_owner"),
            models.Index(fields=["id"], name="backtest_under_way", condition=models.Q(state__in=UNDER_WAY)),
        ]

    def __str__(self) -> str:
        return f"backtest {self.pk} of {self.decider}"

    @property
    def under_way(self) -> bool:
        return self.state in UNDER_WAY

    @property
    def report(self) -> dict[str, Any] | None:
        """The whole report; None while there is none."""
        if self.packed is None:
            return None
        found: dict[str, Any] = json.loads(zlib.decompress(bytes(self.packed)))
        return found


def packed(report: dict[str, Any]) -> bytes:
    """A report as it is stored."""
    return zlib.compress(json.dumps(report, separators=(",", ":"), allow_nan=False).encode(), 6)
