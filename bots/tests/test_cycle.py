"""One cycle: eleven logged steps, a fixed number of statements, no transaction over a call to the outside."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bots import cycle, dispatch
from bots.models import Bot, Cycle, CycleStatus, Decision
from bots.steps import STEPS, StepLog
from bots.tests import lockstep
from ledger.models import Order, Trade

pytestmark = pytest.mark.django_db(transaction=True)
VENUE = re.compile(r'"markets_paper')
TIMES = re.compile(r"(\d+) times: ")
WRITE = re.compile(r"(\d+ times: )?(INSERT|UPDATE|DELETE) ")
BOUNDARY = re.compile(r"^(BEGIN|COMMIT|SAVEPOINT|RELEASE|ROLLBACK)")


def statements(queries: CaptureQueriesContext) -> list[str]:
    """What our side asked of the database; the paper venue's own tables are the exchange's business.

    A statement that was prepared once and run for several rows counts for each of them.
    """
    texts = [query["sql"] for query in queries.captured_queries]
    ours = [sql for sql in texts if not BOUNDARY.match(sql) and not VENUE.search(sql)]
    return [sql for sql in ours for _ in range(int(TIMES.match(sql)[1]) if TIMES.match(sql) else 1)]


def writes(queries: CaptureQueriesContext) -> int:
    """Transactions in which something of ours is written; a statement outside of one counts as its own."""
    count, inside, wrote = 0, False, False
    for query in queries.captured_queries:
        sql = query["sql"]
        if sql.startswith("BEGIN"):
            inside, wrote = True, False
        elif sql.startswith(("COMMIT", "ROLLBACK")):
            count, inside = count + wrote, False
        elif WRITE.match(sql) and not VENUE.search(sql):
            wrote = True
            count += not inside
    return count


def queued(feed, decider: str) -> Cycle:
    cycles = dispatch.claim_due(feed=feed, now=feed.market_now)
    return next(one for one in cycles if one.bot.decider == decider)


@pytest.mark.requirement("BOT-02")
def test_a_cycle_logs_its_eleven_steps_in_order():
    feed = lockstep.market()

    ran = cycle.run(cycle_id=queued(feed, "house:trend").pk)

    assert ran.status == CycleStatus.DONE
    assert tuple(step["name"] for step in ran.steps) == STEPS
    assert all(step["ms"] >= 0 for step in ran.steps)


def test_steps_refuse_to_be_skipped():
    log = StepLog()
    with log(STEPS[0]):
        pass
    with pytest.raises(ValueError, match="Step 2"), log(STEPS[3]):
        pass


@pytest.mark.parametrize("instants", [1, 31])
def test_a_holding_cycle_takes_at_most_21_statements_and_3_writes(instants):
    feed = lockstep.market()
    lockstep.drive(feed, instants)
    holder = Bot.objects.get(decider="house:buy_and_hold")
    lockstep.drive(feed, (-instants) % 3 or 3)
    cycle_id = next(one.pk for one in dispatch.claim_due(feed=feed, now=feed.market_now) if one.bot_id == holder.pk)

    with CaptureQueriesContext(connection) as queries:
        ran = cycle.run(cycle_id=cycle_id)

    assert not Decision.objects.get(cycle=ran).acted
    assert len(statements(queries)) <= 21, "\n".join(statements(queries))
    assert writes(queries) <= 3


def test_each_order_adds_at_most_10_statements_and_4_writes():
    feed = lockstep.market()

    with CaptureQueriesContext(connection) as queries:
        ran = cycle.run(cycle_id=queued(feed, "house:buy_and_hold").pk)

    orders = Order.objects.filter(book=ran.bot.book).count()
    assert orders >= 3
    assert Trade.objects.filter(book=ran.bot.book).exists()
    assert len(statements(queries)) <= 21 + 10 * orders, "\n".join(statements(queries))
    assert writes(queries) <= 3 + 4 * orders


def test_nothing_is_sent_or_asked_inside_a_transaction(monkeypatch):
    """Decider and venue are called with no transaction open: both may take as long as they like."""
    from bots import deciders
    from markets.exchanges.paper import PaperVenue

    seen = []

    def watched(inner):
        def call(*args, **kwargs):
            seen.append(connection.in_atomic_block)
            return inner(*args, **kwargs)

        return call

    monkeypatch.setattr(PaperVenue, "send", watched(PaperVenue.send))
    monkeypatch.setattr(PaperVenue, "cancel", watched(PaperVenue.cancel))
    monkeypatch.setattr(deciders, "get", watched_decider(deciders.get, watched))
    lockstep.drive(lockstep.market(), 10)

    assert seen
    assert not any(seen)


def watched_decider(get, watched):
    class Watched:
        remote = False

        def __init__(self, inner):
            self.decide = watched(inner.decide)

    return lambda *args, **kwargs: Watched(get(*args, **kwargs))


def test_a_failing_decider_ends_the_cycle_and_frees_the_book(monkeypatch):
    feed = lockstep.market()
    bot = Bot.objects.get(decider="house:trend")
    Bot.objects.filter(pk=bot.pk).update(decider="house:nobody")

    ran = cycle.run(
        cycle_id=next(c.pk for c in dispatch.claim_due(feed=feed, now=feed.market_now) if c.bot_id == bot.pk)
    )

    assert ran.status == CycleStatus.FAILED
    assert "nobody" in ran.error
    bot.book.refresh_from_db()
    assert bot.book.lease_until is None
