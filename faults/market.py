"""The prepared database: the demo's bots and some that trade all the time, on a simulated market at full speed.

Two of the busy bots share an account, so that they also have to wait for each other.
"""

from decimal import Decimal

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


def prepare(*, seed: int) -> Feed:
    """Migrate, make the feed and its bots in the database of the settings."""
    call_command("migrate", verbosity=0, interactive=False)
    feed = market.choose(
        kind="simulated", exchange=None, seed=seed, speed=SPEED, starts_at=None, ends_at=None, fresh=False, say=tell
    )
    user = demo.ensure(feed)
    quoted = Instrument.objects.filter(pk__in=feed.quotes.values("instrument")).order_by("pk")
    instruments = list(quoted[:6])
    policy = RiskPolicy.objects.get(owner=user, name="bold")
    shared, alone = (_account(user, feed, name, books) for name, books in (("Shared", 2), ("Alone", 1)))
    _bot(feed, shared, policy, "Busy one", instruments[:3])
    _bot(feed, shared, policy, "Busy two", instruments[3:])
    _bot(feed, alone, policy, "Busy alone", instruments)
    return feed


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
