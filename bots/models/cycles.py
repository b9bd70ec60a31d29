"""Cycles: one run of a bot for one slot. The row is unique, so a second delivery finds nothing to do."""

from django.db import models

from .bots import Bot


class CycleStatus(models.TextChoices):
    """QUEUED is claimed by the dispatcher; the last four are terminal."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
    INTERRUPTED = "interrupted", "Interrupted"


TERMINAL = (CycleStatus.DONE, CycleStatus.FAILED, CycleStatus.SKIPPED, CycleStatus.INTERRUPTED)
NOT_ENDED = models.Q(ended_at__isnull=True)
IS_TERMINAL = models.Q(status__in=TERMINAL)


class Trigger(models.TextChoices):
    SCHEDULE = "schedule", "Schedule"
    PERSON = "person", "Person"
    EMERGENCY = "emergency", "Emergency"


class CycleQuerySet(models.QuerySet["Cycle"]):
    def of(self, user: models.Model) -> "CycleQuerySet":
        return self.filter(bot__owner=user)

    def pending(self) -> "CycleQuerySet":
        return self.filter(ended_at__isnull=True, status__in=(CycleStatus.QUEUED, CycleStatus.RUNNING))


class Cycle(models.Model):
    """`slot` is market time; the other times are wall time. `steps` lists the eleven steps with milliseconds.

    Its decision is there once its plan is in the ledger. In lock-step the bots of one account commit in order:
    `waits_for` is the cycle before this one in the same slot.
    """

    bot = models.ForeignKey(Bot, on_delete=models.CASCADE, related_name="cycles", db_index=False)
    slot = models.DateTimeField()
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.SCHEDULE)
    status = models.CharField(max_length=12, choices=CycleStatus, default=CycleStatus.QUEUED)
    fence = models.PositiveBigIntegerField(default=0)
    waits_for = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    steps = models.JSONField(default=list)
    error = models.CharField(max_length=300, blank=True)
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)

    objects = CycleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["bot", "slot"], name="one_cycle_per_slot"),
            models.CheckConstraint(
                condition=(NOT_ENDED & ~IS_TERMINAL) | (~NOT_ENDED & IS_TERMINAL), name="cycle_ended_by_status"
            ),
        ]
        indexes = [
            models.Index(fields=["bot", "-id"], name="cycle_of_bot"),
            # SQLite uses a partial index only where its condition needs no parameter.
            models.Index(fields=["bot", "slot"], name="cycle_pending", condition=NOT_ENDED),
        ]

    def __str__(self) -> str:
        return f"{self.bot_id} {self.slot:%Y-%m-%d %H:%M}"
