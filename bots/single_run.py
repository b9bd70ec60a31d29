"""One cycle on request, in the caller's own process: the market of its feed stands still until it has ended."""

from datetime import UTC, datetime

from markets import driving
from markets.feeds import clock

from . import cycle as cycles
from . import dispatch
from .control import NotPossible
from .models import Bot, Cycle, CycleStatus, Trigger


def run(*, bot: Bot) -> Cycle:
    """Run one cycle of a bot on a lock-step feed and settle what it caused. Raises NotPossible.

    Where the bot has already run at the feed's present instant, the market moves one step first.
    """
    try:
        with driving.held(bot.book.account.feed):  # type: ignore[union-attr]
            return _run(bot)
    except driving.Busy as busy:
        raise NotPossible(str(busy)) from None


def _run(bot: Bot) -> Cycle:
    feed = bot.book.account.feed  # type: ignore[union-attr]
    feed.refresh_from_db()
    ran = Cycle.objects.filter(bot=bot, slot=clock.now(feed)).exclude(status=CycleStatus.QUEUED)
    if ran.exists():
        if feed.finished:
            raise NotPossible("The replay has reached its end, and the bot has run at its last instant.")
        # Whoever else is due at this instant runs before the market moves on.
        dispatch.instant(feed=feed, enqueue=_run_here)
    asked, _ = Cycle.objects.get_or_create(
        bot=bot, slot=clock.now(feed), defaults={"trigger": Trigger.PERSON, "queued_at": datetime.now(UTC)}
    )
    cycles.run(cycle_id=asked.pk)
    dispatch.settle(feed)
    return Cycle.objects.select_related("bot", "decision").get(pk=asked.pk)


def _run_here(cycle_id: int) -> None:
    cycles.run(cycle_id=cycle_id)
