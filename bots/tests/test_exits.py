"""Invalidations of exit plans close positions without asking the decider."""

from datetime import timedelta

import pytest

from bots import cycle, dispatch, exits
from bots.models import Bot, DecisionItem
from bots.tests import lockstep
from ledger.models import Position
from ledger.reconciliation import differences

pytestmark = pytest.mark.django_db(transaction=True)
ALWAYS = {"kind": "close_above", "timeframe": "5m", "price": "0.0001"}
NEVER = {"kind": "close_below", "timeframe": "5m", "price": "0.0001"}


@pytest.fixture
def holder():
    """A bot with open positions, and the items that opened them."""
    feed = lockstep.market()
    bot = Bot.objects.get(decider="house:buy_and_hold")
    Bot.objects.exclude(pk=bot.pk).update(status="paused")
    lockstep.drive(feed, 1)
    feed.refresh_from_db()
    return feed, bot, list(DecisionItem.objects.filter(intent__isnull=False).order_by("id"))


@pytest.mark.requirement("BOT-13")
def test_a_condition_that_holds_closes_its_position_and_no_other(holder):
    feed, bot, items = holder
    DecisionItem.objects.filter(pk=items[0].pk).update(invalidation=ALWAYS)
    DecisionItem.objects.filter(pk=items[1].pk).update(invalidation=NEVER)

    assert exits.sweep(feed=feed, now=feed.market_now) == 1

    held = set(Position.objects.open().values_list("instrument", flat=True))
    assert held == {item.instrument_id for item in items[1:]}
    assert Position.objects.closed().get().exit_reason == "guardian"
    assert differences(bot.book.account) == []


def test_the_newest_condition_replaces_the_one_before(holder):
    feed, _, items = holder
    DecisionItem.objects.filter(pk=items[0].pk).update(invalidation=ALWAYS)
    later = dispatch.claim_due(feed=feed, now=feed.market_now + timedelta(minutes=3))[0]
    cycle.run(cycle_id=later.pk)
    newest = DecisionItem.objects.filter(decision__cycle=later, symbol=items[0].symbol).get()
    intent = items[0].intent
    intent.pk, intent.key, intent.kind = None, later_key(), "adjust_exits"
    intent.save(force_insert=True)
    DecisionItem.objects.filter(pk=newest.pk).update(intent=intent, invalidation=NEVER)

    assert exits.sweep(feed=feed, now=feed.market_now) == 0


def later_key():
    import uuid

    return uuid.uuid4()


@pytest.mark.requirement("BOT-13")
def test_as_many_conditions_as_there_are_positions_in_one_statement(holder, django_assert_num_queries):
    feed, _, items = holder
    DecisionItem.objects.filter(pk__in=[item.pk for item in items]).update(invalidation=NEVER)
    DecisionItem.objects.filter(pk=items[-1].pk).update(invalidation=ALWAYS)
    with django_assert_num_queries(1):
        assert len(exits.standing(Position.objects.open().filter(account__feed=feed))) == len(items) > 3

    assert exits.sweep(feed=feed, now=feed.market_now) == 1


def test_a_condition_of_a_position_that_is_gone_is_passed_over(holder):
    feed, _, items = holder
    DecisionItem.objects.filter(pk=items[0].pk).update(invalidation=ALWAYS)
    exits.sweep(feed=feed, now=feed.market_now)

    assert exits.sweep(feed=feed, now=feed.market_now) == 0
