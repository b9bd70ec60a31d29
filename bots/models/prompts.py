"""Prompts of owners and their versions. A version is written once and never again: decisions point at it.

A change is a new version with the next number; nothing here edits or removes one.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from django.conf import settings
from django.db import models

from bots.domain.prompt import Wording

NEVER = "A version of a prompt is never changed or removed: decisions point at it. Write a new one."


class Immutable(Exception):
    """A version of a prompt stands as it was written."""


class PromptQuerySet(models.QuerySet["Prompt"]):
    def of(self, user: models.Model) -> PromptQuerySet:
        return self.filter(owner=user)


class Prompt(models.Model):
    """A name under which an owner keeps versions of a wording."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="prompts")
    name = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PromptQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="prompt_name_once")]

    def __str__(self) -> str:
        return self.name


class PromptVersionQuerySet(models.QuerySet["PromptVersion"]):
    def of(self, user: models.Model) -> PromptVersionQuerySet:
        return self.filter(prompt__owner=user)

    def update(self, **_: Any) -> int:
        raise Immutable(NEVER)

    def delete(self) -> tuple[int, dict[str, int]]:
        raise Immutable(NEVER)


class PromptVersion(models.Model):
    """One wording, for ever. `sha256` is of its text in UTF-8."""

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    note = models.CharField(max_length=200, blank=True, help_text="What is different, in a few words.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = PromptVersionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prompt", "number"], name="prompt_version_once")]

    def __str__(self) -> str:
        return f"{self.prompt.name} v{self.number}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Writes a new row. Raises Immutable for one that is there already."""
        if not self._state.adding:
            raise Immutable(NEVER)
        self.sha256 = sha256(self.text.encode()).hexdigest()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise Immutable(NEVER)

    @property
    def wording(self) -> Wording:
        return Wording(self.text, str(self))


class TaskState(models.TextChoices):
    """Of what a page asked a worker for."""

    ASKED = "asked", "Asked"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class PromptPreviewQuerySet(models.QuerySet["PromptPreview"]):
    def of(self, user: models.Model) -> PromptPreviewQuerySet:
        return self.filter(bot__owner=user)


class PromptPreview(models.Model):
    """A wording rendered with a bot's briefing of now, by a worker: the web process computes no indicators."""

    bot = models.ForeignKey("bots.Bot", on_delete=models.CASCADE, related_name="+")
    text = models.TextField()
    state = models.CharField(max_length=8, choices=TaskState, default=TaskState.ASKED, db_index=True)
    system = models.TextField(blank=True)
    user = models.TextField(blank=True)
    error = models.CharField(max_length=300, blank=True)
    market_at = models.DateTimeField(null=True)
    asked_at = models.DateTimeField(auto_now_add=True)

    objects = PromptPreviewQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.bot_id} {self.state}"
