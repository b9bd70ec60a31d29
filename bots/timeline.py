"""What bots did, newest first: decisions that acted or were refused one by one, holds folded together, troubles.

Shared by the arena's stream and a bot's timeline. Bounded in rows however long the history is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery

from .models import Bot, Cycle, CycleStatus, Decision, DecisionItem, Outcome

SHOWN = 30  # decisions shown one by one
LOOKED_AT = 500  # newest rows of each bot among which they are looked for
UNFOLDED = 30
HOLDS = 150  # newest cycles without an action that are folded between them


@dataclass(slots=True)
class Entry:
    """One line. `kind` is "decision", "holds" or "trouble"; `at` is market time, of the newest for holds."""

    kind: str
    number: int
    at: datetime
    bot: Bot
    decision: Decision | None = None
    cycle: Cycle | None = None
    cycles: list[Cycle] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Stays the same while neighbouring holds are added, so that an opened entry stays open."""
        return f"{self.kind[0]}{self.cycles[-1].pk if self.cycles else self.number}"

    @property
    def items(self) -> list[DecisionItem]:
        """What was asked for beyond holding."""
        assert self.decision is not None
        return [item for item in self.decision.items.all() if item.outcome != Outcome.HELD]

    @property
    def held(self) -> int:
        assert self.decision is not None
        return sum(1 for item in self.decision.items.all() if item.outcome == Outcome.HELD)

    @property
    def bots(self) -> list[Bot]:
        """The bots of folded holds, each once, in the order of their newest."""
        return list({cycle.bot_id: cycle.bot for cycle in self.cycles}.values())

    @property
    def decisions(self) -> list[int]:
        """The newest held decisions of the fold, read only when somebody opens it."""
        return [cycle.decision.pk for cycle in self.cycles[:UNFOLDED] if hasattr(cycle, "decision")]


def with_items(decisions: QuerySet[Decision]) -> QuerySet[Decision]:
    items = DecisionItem.objects.select_related("instrument", "intent").order_by("id")
    return decisions.prefetch_related(Prefetch("items", items))


def of_bots(bots: Sequence[Bot]) -> list[Entry]:
    """The newest entries of several bots together: four statements, whatever their number."""
    if not bots:
        return []
    newest_decisions = _newest(Decision, bots)
    newest_cycles = _newest(Cycle, bots)
    spoken = Decision.objects.filter(newest_decisions, Q(acted=True) | Q(refused=True))
    decisions = with_items(spoken.defer("raw")).order_by("-id")[:SHOWN]
    quiet = Cycle.objects.filter(newest_cycles, ended_at__isnull=False).filter(_quiet())
    return _folded(decisions, _lean(quiet)[:HOLDS], bots)


def of_bot(bot: Bot, before: int | None = None, size: int = HOLDS) -> tuple[list[Entry], int | None]:
    """The entries of the newest `size` cycles (before this cycle id), and the id to go on from, if there is more."""
    cycles = _lean(Cycle.objects.filter(bot=bot, ended_at__isnull=False))
    rows = list(cycles.filter(id__lt=before)[: size + 1] if before else cycles[: size + 1])
    more = rows[size - 1].pk if len(rows) > size else None
    rows = rows[:size]
    quiet = [cycle for cycle in rows if not _spoke(cycle)]
    spoken = [cycle.pk for cycle in rows if _spoke(cycle)]
    decisions = with_items(Decision.objects.filter(cycle__in=spoken).defer("raw"))
    return _folded(decisions, quiet, [bot]), more


def _lean(cycles: QuerySet[Cycle]) -> QuerySet[Cycle]:
    """Newest first, with their decisions, without the long columns that no entry shows."""
    return cycles.select_related("decision").defer("steps", "decision__raw").order_by("-id")


def _newest(model: type[Decision] | type[Cycle], bots: Sequence[Bot]) -> Q:
    """The newest rows of each bot, by one look at its index: older ones are not even counted."""
    nth = model.objects.filter(bot=OuterRef("pk")).order_by("-id").values("id")[LOOKED_AT - 1 : LOOKED_AT]
    floors = Bot.objects.filter(pk__in=[bot.pk for bot in bots]).annotate(floor=Subquery(nth))
    return reduce(or_, (Q(bot=pk, id__gte=floor or 0) for pk, floor in floors.values_list("pk", "floor")))


def _quiet() -> Q:
    return Q(decision__isnull=True) | Q(decision__acted=False, decision__refused=False)


def _spoke(cycle: Cycle) -> bool:
    decision: Decision | None = getattr(cycle, "decision", None)
    return decision is not None and (decision.acted or decision.refused)


def _folded(decisions: Iterable[Decision], quiet: Iterable[Cycle], bots: Sequence[Bot]) -> list[Entry]:
    """Both kinds merged, newest cycle first, with neighbouring holds folded into one entry."""
    known = {bot.pk: bot for bot in bots}
    spoken = {decision.cycle_id: decision for decision in decisions}
    silent = {cycle.pk: cycle for cycle in quiet}
    entries: list[Entry] = []
    times = {pk: decision.at for pk, decision in spoken.items()} | {pk: c.slot for pk, c in silent.items()}
    for pk in sorted(times, key=lambda pk: (times[pk], pk), reverse=True):
        if pk in spoken:
            decision = spoken[pk]
            entries.append(Entry("decision", decision.pk, decision.at, known[decision.bot_id], decision))
            continue
        cycle = silent[pk]
        cycle.bot = known[cycle.bot_id]
        if cycle.status != CycleStatus.DONE:
            entries.append(Entry("trouble", pk, cycle.slot, cycle.bot, cycle=cycle))
        elif entries and entries[-1].kind == "holds":
            entries[-1].cycles.append(cycle)
        else:
            entries.append(Entry("holds", pk, cycle.slot, cycle.bot, cycles=[cycle]))
    return entries
