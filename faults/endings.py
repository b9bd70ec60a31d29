"""What must hold of the course of things: nothing runs twice, at another time or for ever, and what failed says so.

The fifth and the sixth invariant of the contract, as sentences about what does not hold; read from the database alone.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db.models import Count, F

from bots.models import Bot, Cycle, CycleStatus, Decision
from ledger.models import Intent, Order, OrderState, Position, PositionState, Role, Source, Trade, TradingState
from ledger.models import TradingStateKind as Kind
from markets.models import Feed

# A cycle that has waited for so long has missed its deadline, and nobody has ended it.
LONGEST_CYCLE = timedelta(minutes=3)


def cycles(feed: Feed) -> Iterator[str]:
    """A slot runs once; a cycle has at most one decision, and its intents belong to it."""
    cycles = Cycle.objects.filter(bot__book__account__feed=feed)
    slots = cycles.values("bot", "slot").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"Slot {row['slot']:%H:%M} of bot {row['bot']} ran {row['times']} times." for row in slots)
    decisions = Decision.objects.filter(cycle__in=cycles)
    twice = decisions.values("cycle").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"Cycle {row['cycle']} has {row['times']} decisions." for row in twice)
    decided = {f"cycle:{pk}" for pk in decisions.values_list("cycle", flat=True)}
    fences: dict[str, set[int]] = defaultdict(set)
    intents = Intent.objects.filter(source=Source.DECISION, book__account__feed=feed)
    for reference, fence in intents.values_list("reference", "fence"):
        fences[reference].add(fence)
    for reference, numbers in fences.items():
        if len(numbers) > 1:
            yield f"The intents of {reference} were written under {len(numbers)} fencing numbers."
        if reference not in decided:
            yield f"The intents of {reference} have no decision."


def slots(feed: Feed) -> Iterator[str]:
    """Every slot of a bot has a cycle or is counted as skipped."""
    for bot in Bot.objects.on(feed).filter(status="running"):
        slots = list(bot.cycles.order_by("slot").values_list("slot", flat=True))
        if not slots or bot.next_run_at is None:
            continue
        due = (bot.next_run_at - slots[0]) // bot.interval
        if due != len(slots) + bot.skipped_slots:
            yield f"{bot.name} has {len(slots)} cycles and {bot.skipped_slots} skipped slots of {due}."


def moments(feed: Feed) -> Iterator[str]:
    """In lock-step nothing is decided or traded at another instant than the one it was due at."""
    late = Decision.objects.filter(bot__book__account__feed=feed).exclude(at=F("cycle__slot"))
    for decision in late.select_related("cycle"):
        yield f"Cycle {decision.cycle_id} of {decision.cycle.slot:%H:%M} decided at {decision.at:%H:%M}."
    entries = Trade.objects.filter(account__feed=feed, order__type="market", order__role=Role.ENTRY)
    for trade in entries.exclude(at=F("order__at")):
        yield f"Trade {trade.pk} came at {trade.at:%H:%M}, later than its order."


def unended(feed: Feed) -> Iterator[str]:
    """Cycles due by now that are not over."""
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed, slot__lte=feed.market_now)
    yield from (f"Cycle {cycle.pk} of {cycle.slot:%H:%M} is {cycle.status}." for cycle in pending)


def stuck(feed: Feed) -> Iterator[str]:
    """Nothing waits for an end that will not come."""
    wall = datetime.now(UTC)
    undecided = (OrderState.PLANNED, OrderState.SENDING, OrderState.UNKNOWN)
    orders = Order.objects.filter(account__feed=feed)
    for order in orders.filter(state__in=undecided):
        age = (wall - (order.sent_at or order.created_at)).total_seconds()
        yield f"A {order.role} ({order.client_id}) has been {order.state} for {age:.0f} s."
    live = orders.live().filter(role=Role.ENTRY)
    opening = Position.objects.filter(account__feed=feed, state=PositionState.OPENING)
    for position in opening.exclude(pk__in=live.values("position")):
        yield f"Position {position.pk} is opening, and no order of it is alive."
    pending = Cycle.objects.pending().filter(bot__book__account__feed=feed)
    for cycle in pending.filter(queued_at__lt=wall - LONGEST_CYCLE):
        yield f"Cycle {cycle.pk} has been {cycle.status} since {cycle.queued_at:%H:%M:%S}."


def told(feed: Feed) -> Iterator[str]:
    """Whatever did not go as planned says why; and nothing has been halted over it."""
    unsaid = Cycle.objects.filter(bot__book__account__feed=feed, ended_at__isnull=False, error="")
    for cycle in unsaid.exclude(status=CycleStatus.DONE):
        yield f"Cycle {cycle.pk} is {cycle.status} and does not say why."
    for order in Order.objects.filter(account__feed=feed, state=OrderState.REFUSED, reason=""):
        yield f"The {order.role} {order.client_id} was refused and does not say why."
    limiting = TradingState.objects.current().exclude(state=Kind.ACTIVE)
    yield from (f"Trading is {limit.state} ({limit.scope}): {limit.reason}" for limit in limiting)
