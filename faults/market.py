"""The prepared database: the demo's bots and some that trade all the time, on a simulated market at full speed.

Two of the busy bots share an account, so that they also have to wait for each other.
"""

from decimal import Decimal
from typing import Any

from django.core.management import call_command

from bots.models import Bot, BotStatus, RiskPolicy
from ledger import accounts
from ledger.models import Account, User
from markets.models import Feed, Instrument
from tradingsite import demo, market

from .busy import NAME
from .progress import tell

SPEED = 100_000.0
CAPITAL = Decimal(10_000)
# Small positions with stops within one candle's reach, and nothing that keeps a bot from the next entry: a fault has
# to meet every kind of order, also those that the market itself triggers.
RESTLESS: dict[str, Any] = {
    "risk_per_trade": Decimal("0.002"), "max_position_notional": Decimal("0.05"), "max_positions": 6,
    "min_reward_to_risk": Decimal(1), "min_stop_distance": Decimal("0.0002"), "max_slippage": Decimal("0.004"),
    "max_spread": Decimal("0.01"), "max_drawdown": Decimal("0.9"), "max_daily_loss": Decimal(0),
    "cooldown_minutes": 0, "stop_guard_count": 0, "stop_guard_instrument_count": 0, "low_profit_count": 0,
    "max_trades_per_day": 0, "max_loss_streak": 0, "max_failures": 0,
}  # fmt: skip


def prepare(*, seed: int) -> Feed:
    """Migrate, make the feed and its bots in the database of the settings."""
    call_command("migrate", verbosity=0, interactive=False)
    feed = market.choose(
        kind="simulated", exchange=None, seed=seed, speed=SPEED, starts_at=None, ends_at=None, fresh=False, say=tell
    )
    user = demo.ensure(feed)
    Bot.objects.on(feed).update(interval_seconds=feed.step_seconds)  # all of them show at every instant that they work
    quoted = Instrument.objects.filter(pk__in=feed.quotes.values("instrument")).order_by("pk")
    instruments = list(quoted[:4])
    policy = RiskPolicy.objects.create(owner=user, name="Laboratory", **RESTLESS)
    shared, alone = (_account(user, feed, name, books) for name, books in (("Shared", 2), ("Alone", 1)))
    _bot(feed, shared, policy, "Busy one", instruments[:2])
    _bot(feed, shared, policy, "Busy two", instruments[2:])
    _bot(feed, alone, policy, "Busy alone", instruments[:2])
    return feed


def only_busy() -> None:
    """The demo's bots rest, so that an instant takes no longer than what trades in it."""
    Bot.objects.exclude(decider=NAME).update(status=BotStatus.PAUSED)


def _account(user: User, feed: Feed, name: str, books: int) -> Account:
    assert feed.market_now is not None
    return accounts.open_paper_account(
        owner=user, name=name, feed=feed, deposit=books * CAPITAL, currency="USDT", at=feed.market_now
    )


def _bot(feed: Feed, account: Account, policy: RiskPolicy, name: str, instruments: list[Instrument]) -> None:
    assert feed.market_now is not None
    bot = Bot.objects.create(
        owner=account.owner,
        name=name,
        book=accounts.open_book(account=account, name=name, capital=CAPITAL, at=feed.market_now),
        policy=policy,
        decider=NAME,
        seed=feed.seed,
        interval_seconds=60,
        status=BotStatus.RUNNING,
        next_run_at=feed.market_now,
        monogram=name[:2].upper(),
    )
    bot.instruments.set(instruments)
