"""What must hold after every fault: the invariants of the contract, as sentences about what does not.

It reads the ledger's tables and the paper venue's, each by itself and against the other. It mends nothing: before it
looks, what the venue has reported is booked, as the next instant would do it.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Count, F

from bots import dispatch
from bots.models import Bot, Cycle, Decision
from ledger import reconciliation
from ledger.models import Account, Intent, Order, OrderState, Position, PositionState, Role, Source, Trade
from markets import driving
from markets.models import Feed, PaperOrder, PaperPosition, PaperReport

from . import watch

PATIENCE = 30.0


def look() -> list[str]:
    """Hold the market between two instants and name everything that is amiss."""
    feed = Feed.objects.running().get()
    Feed.objects.filter(pk=feed.pk).update(running=False)
    try:
        with driving.held(feed, PATIENCE):
            if pending := watch.unended(feed.pk):
                return pending
            dispatch.settle(feed)
            return list(broken(feed))
    except driving.Busy:
        return ["Somebody held the market for longer than any lease lasts."]
    finally:
        Feed.objects.filter(pk=feed.pk).update(running=True)


def unprotected() -> list[str]:
    return watch.uncovered(Feed.objects.running().get().pk)


def broken(feed: Feed) -> Iterator[str]:
    for account in Account.objects.on(feed).select_related("feed"):
        yield from (f"{account}: {found}" for found in reconciliation.differences(account))
    yield from watch.uncovered(feed.pk)
    yield from _orphans(feed)
    yield from _sent()
    yield from _cycles()
    yield from _slots()
    yield from _booked()
    yield from _stuck()
    yield from _moments(feed)


def blocked() -> list[str]:
    """Who waits for whose lock at this moment: what to look at where something does not go on."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select w.pid, left(w.query, 90), b.pid, b.state, b.wait_event, now() - b.state_change, left(b.query, 90)"
            " from pg_stat_activity w, unnest(pg_blocking_pids(w.pid)) as x(pid), pg_stat_activity b"
            " where b.pid = x.pid"
        )
        rows = cursor.fetchall()
    return [
        f"{w} («{asks}») waits for {b}, {' '.join(map(str, how))} after «{last}»" for w, asks, b, *how, last in rows
    ]


def _orphans(feed: Feed) -> Iterator[str]:
    """Stops and targets at the venue that have outlived their position."""
    held = set(PaperPosition.objects.filter(account__feed=feed).values_list("account", "instrument"))
    for order in PaperOrder.objects.filter(account__feed=feed, live=True, reduce_only=True):
        if (order.account_id, order.instrument_id) not in held:
            yield f"A {order.type} of instrument {order.instrument_id} rests at the venue without a position."


def _sent() -> Iterator[str]:
    """Each order reached the venue at most once, and none that was not committed before."""
    twice = PaperOrder.objects.values("account", "client_id").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"The order {row['client_id']} was sent {row['times']} times." for row in twice)
    ours = {str(client_id) for client_id in Order.objects.values_list("client_id", flat=True)}
    foreign = set(PaperOrder.objects.values_list("client_id", flat=True)) - ours
    yield from (f"The venue has an order {client_id} that was never committed." for client_id in sorted(foreign))


def _cycles() -> Iterator[str]:
    """A slot runs once; a cycle has at most one decision, and its intents belong to it."""
    slots = Cycle.objects.values("bot", "slot").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"Slot {row['slot']:%H:%M} of bot {row['bot']} ran {row['times']} times." for row in slots)
    decisions = Decision.objects.values("cycle").annotate(times=Count("id")).filter(times__gt=1)
    yield from (f"Cycle {row['cycle']} has {row['times']} decisions." for row in decisions)
    decided = set(Decision.objects.values_list("cycle", flat=True))
    intents = Intent.objects.filter(source=Source.DECISION).values_list("reference", "fence")
    sets: dict[str, set[int]] = defaultdict(set)
    for reference, fence in intents:
        sets[reference].add(fence)
    for reference, fences in sets.items():
        if len(fences) > 1:
            yield f"The intents of {reference} were written under {len(fences)} fencing numbers."
        if int(reference.removeprefix("cycle:")) not in decided:
            yield f"The intents of {reference} have no decision."


def _slots() -> Iterator[str]:
    """Every slot of a bot has a cycle or is counted as skipped."""
    for bot in Bot.objects.filter(status="running"):
        slots = list(bot.cycles.order_by("slot").values_list("slot", flat=True))
        if not slots:
            continue
        due = (bot.next_run_at - slots[0]) // bot.interval
        if due != len(slots) + bot.skipped_slots:
            yield f"{bot.name} has {len(slots)} cycles and {bot.skipped_slots} skipped slots of {due}."


def _booked() -> Iterator[str]:
    """Each fill of the venue is one trade, and trades add up to the position."""
    keys = dict(Account.objects.values_list("key", "pk"))
    fills = {
        (keys[key], ref) for key, ref in PaperReport.objects.filter(kind="fill").values_list("account__key", "ref")
    }
    trades = {(account, f"{trade}") for account, trade in Trade.objects.values_list("account", "venue_trade_id")}
    if len(fills) != len(trades):
        yield f"The venue has reported {len(fills)} fills and the ledger has booked {len(trades)}."
    sums: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for account, instrument, side, quantity in Trade.objects.values_list("account", "instrument", "side", "quantity"):
        sums[account, instrument] += quantity if side == "buy" else -quantity
    for key, instrument, quantity in PaperPosition.objects.values_list("account__key", "instrument", "quantity"):
        sums[keys[key], instrument] -= quantity
    wrong = {place: rest for place, rest in sums.items() if rest}
    yield from (f"Account {a}, instrument {i}: trades and position differ by {rest}." for (a, i), rest in wrong.items())


def _stuck() -> Iterator[str]:
    """Nothing waits for an end that will not come."""
    undecided = (OrderState.PLANNED, OrderState.SENDING, OrderState.UNKNOWN)
    for order in Order.objects.filter(state__in=undecided):
        age = (datetime.now(UTC) - (order.sent_at or order.created_at)).total_seconds()
        yield f"A {order.role} ({order.client_id}) has been {order.state} for {age:.0f} s."
    live = Order.objects.live().filter(role=Role.ENTRY)
    for position in Position.objects.filter(state=PositionState.OPENING).exclude(pk__in=live.values("position")):
        yield f"Position {position.pk} is opening, and no order of it is alive."
    wall = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "select pid, state, now() - xact_start from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and xact_start < now() - interval '20 seconds'"
        )
        yield from (f"A transaction has been open for {age} ({state})." for _, state, age in cursor.fetchall())
    late = Cycle.objects.pending().filter(queued_at__lt=wall - timedelta(minutes=3))
    yield from (f"Cycle {cycle.pk} has been {cycle.status} since {cycle.queued_at}." for cycle in late)


def _moments(feed: Feed) -> Iterator[str]:
    """In lock-step nothing is decided or traded at another instant than the one it was due at."""
    for decision in Decision.objects.exclude(at=F("cycle__slot")).select_related("cycle"):
        yield f"Cycle {decision.cycle_id} of {decision.cycle.slot:%H:%M} decided at {decision.at:%H:%M}."
    traded = Trade.objects.filter(order__type="market", order__role=Role.ENTRY).exclude(at=F("order__at"))
    yield from (f"Trade {trade.pk} came at {trade.at:%H:%M}, later than its order." for trade in traded)
