"""Whether the engine is alive, as the frame of every page tells it. Reads feeds, cycles and the system's state.

It judges lateness by wall time and by the pace that the feed promises; it stops and starts nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q

from ledger import heartbeats, states
from ledger.models import TradingState, TradingStateKind, User
from markets import freshness
from markets.models import Feed, Quote

from .models import Cycle, CycleStatus

# Only the newest cycles are looked at: the footer speaks of the last minute, not of history.
NEWEST = 5000
MINUTE = timedelta(minutes=1)
GUARDIAN_PATIENCE = 30.0
PATIENCE = 10.0  # seconds past which a market that should move is late
PATIENCE_IN_CYCLE = 75.0  # a market in lock-step waits for its cycles, whose own deadline is a minute
SILENT = (
    (heartbeats.DISPATCHER, "The dispatcher is silent: the schedule, the broker or the market's worker is away."),
    (heartbeats.CYCLES, "No worker takes cycles."),
)


@dataclass(frozen=True, slots=True)
class Pulse:
    """`at` and `last_cycle` are wall time, `data_age` wall seconds; `late` is a sentence, empty when all is well."""

    at: datetime
    feed: Feed | None
    system: TradingState
    last_cycle: datetime | None
    cycles_per_minute: int
    pending: int
    data_age: float | None
    guardian_age: float | None
    late: str

    @property
    def market_now(self) -> datetime | None:
        """Market time: of the feed, or of the wall where the feed is live."""
        if self.feed is None or not self.feed.lock_step:
            return self.at
        return self.feed.market_now

    @property
    def engine(self) -> str:
        """What the dispatcher does, in a word or two."""
        if self.feed is None or not self.feed.running:
            return "stopped"
        if self.feed.finished:
            return "at the end of the replay"
        return "late" if self.late else "running"

    @property
    def guardian(self) -> str:
        """When the guardian looks: between instants in lock-step, else when it last did so by its own timer."""
        if self.feed is None or not self.feed.running:
            return "stopped"
        if self.feed.lock_step:
            return "at every instant"
        return "silent" if self.guardian_age is None else f"{self.guardian_age:.0f} s ago"

    @property
    def active(self) -> bool:
        return self.system.state == TradingStateKind.ACTIVE


def pulse(*, user: User, feed: Feed | None, now: datetime) -> Pulse:
    """The pulse of `feed` and of the cycles of `user`, at wall time `now`."""
    newest = Cycle.objects.aggregate(top=Max("id"))["top"] or 0
    waiting = Q(status__in=(CycleStatus.QUEUED, CycleStatus.RUNNING))
    cycles = (
        Cycle.objects.of(user)
        .filter(id__gt=newest - NEWEST)
        .aggregate(
            last=Max("ended_at"),
            minute=Count("id", filter=Q(ended_at__gte=now - MINUTE)),
            pending=Count("id", filter=waiting),
        )
    )
    age, guardian = data_age(feed, now), guardian_age(feed, now)
    late = lateness(feed, age, guardian, cycles["pending"])
    if late and feed is not None and not feed.lock_step:
        late = f"{late} {freshness.trouble(feed.exchange)}".strip()
    return Pulse(
        at=now,
        feed=feed,
        system=states.current_system(),
        last_cycle=cycles["last"],
        cycles_per_minute=cycles["minute"],
        pending=cycles["pending"],
        data_age=age,
        guardian_age=guardian,
        late=f"{late} {silence(now)}".strip() if late else "",
    )


def data_age(feed: Feed | None, now: datetime) -> float | None:
    """Seconds since prices last moved: the last instant in lock-step, the oldest quote on a live feed."""
    if feed is None:
        return None
    at = feed.stepped_at
    if not feed.lock_step:
        at = Quote.objects.filter(feed=feed).aggregate(oldest=Min("at"))["oldest"] or at
    return None if at is None else max(0.0, (now - at).total_seconds())


def guardian_age(feed: Feed | None, now: datetime) -> float | None:
    """Seconds since the guardian's own timer last came round; None in lock-step, where it has none."""
    beat = None if feed is None or feed.lock_step else heartbeats.last(heartbeats.GUARDIAN)
    return None if beat is None else max(0.0, (now - beat).total_seconds())


def lateness(feed: Feed | None, age: float | None, guardian: float | None, pending: int) -> str:
    """What is late, in one sentence; empty while the feed keeps its pace or is not meant to move."""
    if feed is None or not feed.running or feed.finished:
        return ""
    if not feed.lock_step and (guardian is None or guardian > GUARDIAN_PATIENCE):
        return "The guardian is silent: stops rest at the venue, but nobody looks after them."
    if age is None:
        return "No price has come yet."
    pace = feed.step_seconds / feed.speed if feed.lock_step else feed.step_seconds
    patience = max(PATIENCE_IN_CYCLE if pending else PATIENCE, 2.5 * pace)
    if age <= patience:
        return ""
    return f"The market has not moved for {age:.0f} s; it should move every {max(pace, 1):.0f} s."


def silence(now: datetime) -> str:
    """Which process gives no sign of life, in one sentence; asked only where something is late."""
    ages = heartbeats.ages(now)
    return next((words for name, words in SILENT if ages.get(name, PATIENCE_IN_CYCLE) >= PATIENCE_IN_CYCLE), "")
