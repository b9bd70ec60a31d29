"""What a person may do with a bot: start, pause, run now, flatten. What is not possible is said in one sentence."""

from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from ledger import states
from ledger.models import Account, Position, TradingStateKind, User
from markets import broadcast
from markets.feeds import clock

from .models import Bot, BotStatus, Cycle, Trigger


class NotPossible(Exception):
    """The request makes no sense now; the message says why."""


def start(*, bot: Bot, by: User | None, now: datetime | None = None) -> None:
    """Let the bot trade from its next slot on, with its book active again."""
    market = _market_now(bot)
    with transaction.atomic():
        states.change(scope=bot.book, state=TradingStateKind.ACTIVE, reason="Started", by=by)
        _set(bot, BotStatus.RUNNING, next_run_at=market)


def pause(*, bot: Bot, by: User | None) -> None:
    """No more cycles; stops and targets stay at the venue and the guardian goes on."""
    _set(bot, BotStatus.PAUSED)


def stop(*, bot: Bot, by: User | None) -> None:
    """Out of service: no cycles, until somebody starts it again."""
    _set(bot, BotStatus.STOPPED)


def run_now(*, bot: Bot, by: User | None, trigger: Trigger = Trigger.PERSON) -> Cycle:
    """Queue a cycle for the next instant of the bot's feed. Raises NotPossible where one is queued already."""
    feed = bot.book.account.feed  # type: ignore[union-attr]
    if feed.finished:
        raise NotPossible("The replay has reached its end: there is no next instant.")
    slot = _market_now(bot) + timedelta(seconds=feed.step_seconds if feed.lock_step else 0)
    try:
        with transaction.atomic():
            return Cycle.objects.create(bot=bot, slot=slot, trigger=trigger, queued_at=datetime.now(UTC))
    except IntegrityError:
        raise NotPossible(f"{bot.name} is already due at the next instant.") from None


def flatten(*, bot: Bot, by: User | None, now: datetime | None = None) -> None:
    """Pause the bot and ask the guardian to close everything it holds."""
    with transaction.atomic():
        pause(bot=bot, by=by)
        reason = f"Flatten asked for by {by.get_username() if by else 'the system'}"
        states.request_flatten(book=bot.book, reason=reason, by=by, now=_market_now(bot))


def emergency(*, bot: Bot, by: User | None) -> Cycle:
    """Have the bot's decider say at the next instant of each position: close it, or keep it with its plan.

    Raises NotPossible where nothing is held, or a cycle is queued already.
    """
    if not Position.objects.open().filter(book=bot.book_id).exists():
        raise NotPossible(f"{bot.name} holds nothing: there is nothing to close or keep.")
    return run_now(bot=bot, by=by, trigger=Trigger.EMERGENCY)


def flatten_account(*, account: Account, by: User | None) -> None:
    """Pause the bots of an account and ask the guardian to close everything that any of its books holds."""
    now = clock.now(account.feed)
    with transaction.atomic():
        for bot in Bot.objects.filter(book__account=account).select_related("book").order_by("pk"):
            pause(bot=bot, by=by)
        states.flatten_account(account=account, by=by, now=now)


def _market_now(bot: Bot) -> datetime:
    return clock.now(bot.book.account.feed)  # type: ignore[union-attr]


def _set(bot: Bot, status: BotStatus, **changes: object) -> None:
    bot.status = status
    Bot.objects.filter(pk=bot.pk).update(status=status, **changes)
    broadcast.announce(f"book-{bot.book_id}", kind="state", book=bot.book_id)
