"""What a model was told and what code knew then, so that a decision can be replayed; and answers already paid for.

A moment is written once with its decision. An answer is found again by what was asked: model, parameters, messages.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models

from .decisions import Decision
from .prompts import PromptVersion, TaskState


class MomentQuerySet(models.QuerySet["Moment"]):
    def of(self, user: models.Model) -> MomentQuerySet:
        return self.filter(decision__bot__owner=user)


class Moment(models.Model):
    """The question of a decision. `briefing` is all that candles alone do not give back: see `bots.replaying`."""

    decision = models.OneToOneField(Decision, on_delete=models.CASCADE, related_name="moment")
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    system = models.TextField()
    user = models.TextField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of both messages.")
    briefing = models.JSONField()

    objects = MomentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.decision_id} {self.digest[:12]}"


class KnownAnswer(models.Model):
    """The answer of a model to one question, kept so that a second ask is free. `key` is a SHA-256 of the question."""

    key = models.CharField(max_length=64, unique=True)
    model = models.CharField(max_length=120)
    answer = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.model} {self.key[:12]}"


class ReplayQuerySet(models.QuerySet["Replay"]):
    def of(self, user: models.Model) -> ReplayQuerySet:
        return self.filter(decision__bot__owner=user)


class Replay(models.Model):
    """A decision looked at again, asked for on its page and done by a worker. `result` is what the page shows."""

    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="replays")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    model = models.CharField(max_length=120, blank=True)
    version = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    rules_today = models.BooleanField(default=False)
    state = models.CharField(max_length=8, choices=TaskState, default=TaskState.ASKED, db_index=True)
    result = models.JSONField(null=True)
    error = models.CharField(max_length=300, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = ReplayQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.decision_id} {self.state}"
