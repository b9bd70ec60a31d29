"""Feeds: where prices come from and what time it is. A feed never takes an order; venues do."""

from datetime import datetime

from django.db import models


class FeedKind(models.TextChoices):
    LIVE = "live", "Live"
    REPLAY = "replay", "Replay"
    SIMULATED = "simulated", "Simulated"


class FeedQuerySet(models.QuerySet["Feed"]):
    def running(self) -> "FeedQuerySet":
        return self.filter(running=True)


class Feed(models.Model):
    """One source of prices with its own clock.

    `market_now` is the last instant whose opens are quoted; it commits together with the step of the paper
    venue, so a restart resumes there. `speed` is a ceiling: market seconds per wall second. `run` tells
    fresh starts on the same market apart.
    """

    name = models.CharField(max_length=120, unique=True, help_text="Follows from kind, market, period and run.")
    kind = models.CharField(max_length=12, choices=FeedKind)
    exchange = models.CharField(max_length=40)
    seed = models.BigIntegerField(default=0)
    starts_at = models.DateTimeField(null=True, blank=True, help_text="First instant of a replay or simulation (UTC).")
    ends_at = models.DateTimeField(
        null=True, blank=True, help_text="A replay stops here (UTC); empty: at the last candle."
    )
    run = models.PositiveIntegerField(default=1)
    step_seconds = models.PositiveIntegerField(default=60, help_text="Market seconds between two instants.")
    speed = models.FloatField(default=60.0, help_text="Market seconds per wall second, at most.")
    market_now = models.DateTimeField(null=True, blank=True)
    running = models.BooleanField(default=False)
    finished = models.BooleanField(default=False, help_text="A replay that has reached its end.")
    stepped_at = models.DateTimeField(null=True, blank=True, help_text="Wall time of the last instant.")
    lease_holder = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="Wall time until which one process drives it.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = FeedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(speed__gt=0), name="feed_speed_positive"),
        ]

    def __str__(self) -> str:
        return self.badge

    @property
    def stem(self) -> str:
        """The name that all runs on the same market and period share."""
        return self.name.removesuffix(f" #{self.run}")

    @property
    def lock_step(self) -> bool:
        """Whether time here advances only when all work due has ended."""
        return self.kind != FeedKind.LIVE

    @property
    def badge(self) -> str:
        """What every page says about the source of its prices."""
        if self.kind == FeedKind.SIMULATED:
            return f"SIMULATED · seed {self.seed} · {self.speed:g}x"
        if self.kind == FeedKind.REPLAY:
            return f"REPLAY · {self.exchange}{_period(self.starts_at)} · {self.speed:g}x"
        return f"LIVE · {self.exchange}"


def _period(start: datetime | None) -> str:
    return f" · {start:%B %Y}" if start else ""
