"""Locks: when what happened says that a bot should enter nothing for a while. Pure functions of recent facts.

Each protection looks at the closed positions of the look-back and at equity, and names what to lock, until when and
why. The end follows from what happened, not from when it was looked at: so looking twice gives the same lock.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from markets.domain.rounding import ZERO

from .policy import Policy
from .wording import percent

FORCED = ("stop", "liquidation")
NEVER_OPEN = ("refused", "not filled")
REFUSALS, REFUSED_WITHIN = 2, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Ended:
    """A position that closed: `net` after fees and funding, `value` of its entries, `reason` of its end.

    One whose entry the venue refused has the reason "refused", one whose entry ended without a fill "not filled":
    neither was ever open, and neither counts as a trade.
    """

    symbol: str
    long: bool
    net: Decimal
    value: Decimal
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What protections look at. `ended` runs oldest to newest over the look-back, today at least.

    `opened` are the times at which the positions opened that are open now. `day_start` is equity at the beginning of
    the UTC day, `peak` its highest point of the look-back, both since the last deposit; `equity` is that of now.
    `failures` counts the cycles that failed in a row, the last of them at `failed_at`.
    """

    now: datetime
    equity: Decimal
    ended: tuple[Ended, ...] = ()
    opened: tuple[datetime, ...] = ()
    day_start: Decimal | None = None
    peak: Decimal | None = None
    failures: int = 0
    failed_at: datetime | None = None

    @property
    def today(self) -> datetime:
        return self.now.replace(hour=0, minute=0, second=0, microsecond=0)

    def since(self, at: datetime) -> tuple[Ended, ...]:
        """Positions that were open and closed at `at` or later."""
        first = bisect_left(self.ended, at, key=_at)
        return tuple([one for one in self.ended[first:] if one.reason not in NEVER_OPEN])


@dataclass(frozen=True, slots=True)
class Lock:
    """`symbol` empty: all instruments; `side` empty: both. It holds until `until`, market time."""

    kind: str
    until: datetime
    reason: str
    symbol: str = ""
    side: str = ""
    limit: Decimal | None = None
    value: Decimal | None = None

    @property
    def key(self) -> tuple[str, str, str, datetime]:
        """What happened locks once: a second look at it finds a lock with the same key."""
        return self.kind, self.symbol, self.side, self.until

    def holds_for(self, symbol: str, long: bool, now: datetime) -> bool:
        return self.until > now and self.symbol in ("", symbol) and self.side in ("", "long" if long else "short")


Protect = Callable[[Facts, Policy], Iterator[Lock]]


@dataclass(frozen=True, slots=True)
class Protection:
    """`kind` is stable and that of its locks; `meaning` says with `{limit}` when it locks.

    It is off where `limit` is empty.
    """

    kind: str
    protect: Protect
    meaning: str
    limit: Callable[[Policy], str]


def in_time(one: Ended) -> tuple[object, ...]:
    """The key of the order of ends; those of one instant have a fixed order too."""
    return one.at, one.symbol, one.long, one.reason, one.net


def oldest_first(ended: Iterable[Ended]) -> tuple[Ended, ...]:
    """In the order of their ends."""
    return tuple(sorted(ended, key=in_time))


def standing(held: Iterable[Lock]) -> tuple[Lock, ...]:
    """The lock that ends last comes first: it is the one that an entry is told of."""
    return tuple(sorted(held, key=lambda lock: (-lock.until.timestamp(), lock.kind, lock.symbol, lock.side)))


def look_back(policy: Policy, now: datetime) -> datetime:
    """From when on positions are looked at: the look-back, and today, and an hour for refusals."""
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return min(_window(policy, now), day, now - REFUSED_WITHIN)


def locks(facts: Facts, policy: Policy) -> tuple[Lock, ...]:
    """Every lock that follows from the facts and still holds, in the order of the protections."""
    now = facts.now
    return tuple([lock for one in PROTECTIONS for lock in one.protect(facts, policy) if lock.until > now])


def cooldown(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """After each closed position its instrument rests."""
    if not policy.cooldown_minutes:
        return
    rest = timedelta(minutes=policy.cooldown_minutes)
    for symbol, last in _last_of_each(facts.since(facts.now - rest)).items():
        reason = f"A position closed at {last.at:%H:%M}; the instrument rests {policy.cooldown_minutes} min."
        yield Lock("cooldown", last.at + rest, reason, symbol)


def stop_guard(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Too many losing exits by stop or liquidation: over all, and of one side of one instrument."""
    if not policy.stop_guard_count and not policy.stop_guard_instrument_count:
        return
    stopped = [
        one for one in facts.since(_window(policy, facts.now)) if one.net < ZERO and one.reason.startswith(FORCED)
    ]
    if policy.stop_guard_count and len(stopped) >= policy.stop_guard_count:
        reason = f"{len(stopped)} positions were stopped out since {_window(policy, facts.now):%d %b %H:%M}."
        yield _lock("stop_guard", stopped[-1], policy, reason, policy.stop_guard_count, len(stopped))
    if not policy.stop_guard_instrument_count:
        return
    for (symbol, long), ones in _by_side(stopped).items():
        if len(ones) >= policy.stop_guard_instrument_count:
            side = "long" if long else "short"
            reason = f"{len(ones)} {side}s in {symbol} were stopped out."
            yield _lock(
                "stop_guard", ones[-1], policy, reason, policy.stop_guard_instrument_count, len(ones), symbol, side
            )


def low_profit(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """An instrument whose positions brought too little, as the sum of their results over their values."""
    if not policy.low_profit_count:
        return
    by_symbol: dict[str, list[Ended]] = {}
    for one in facts.since(_window(policy, facts.now)):
        by_symbol.setdefault(one.symbol, []).append(one)
    for symbol, ones in by_symbol.items():
        brought = sum((one.net / one.value for one in ones if one.value), ZERO)
        if len(ones) >= policy.low_profit_count and brought < policy.low_profit:
            reason = f"{len(ones)} positions in {symbol} brought {percent(brought)} of their value together."
            yield _lock("low_profit", ones[-1], policy, reason, policy.low_profit, brought, symbol)


def drawdown(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Equity too far below its peak of the look-back, open positions counted."""
    if not policy.max_drawdown or facts.peak is None or facts.peak <= ZERO:
        return
    fall = (facts.peak - facts.equity) / facts.peak
    if fall < policy.max_drawdown:
        return
    reason = f"Equity is {percent(fall)} below its peak; at most {percent(policy.max_drawdown)}."
    ones = facts.since(_window(policy, facts.now))
    if ones:
        yield _lock("drawdown", ones[-1], policy, reason, policy.max_drawdown, fall)
    else:
        yield Lock("drawdown", _tomorrow(facts), reason, limit=policy.max_drawdown, value=fall)


def daily_loss(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Too much lost since the beginning of the UTC day: nothing more until the next."""
    if not policy.max_daily_loss or facts.day_start is None or facts.day_start <= ZERO:
        return
    lost = (facts.day_start - facts.equity) / facts.day_start
    if lost >= policy.max_daily_loss:
        reason = f"{percent(lost)} of equity is lost today; at most {percent(policy.max_daily_loss)}."
        yield Lock("daily_loss", _tomorrow(facts), reason, limit=policy.max_daily_loss, value=lost)


def trades_per_day(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Positions closed today, with those that opened today and are open."""
    if not policy.max_trades_per_day:
        return
    today = facts.today
    count = len(facts.since(today)) + sum(1 for at in facts.opened if at >= today)
    if count >= policy.max_trades_per_day:
        reason = f"{count} positions today; at most {policy.max_trades_per_day}."
        limit, value = Decimal(policy.max_trades_per_day), Decimal(count)
        yield Lock("trades_per_day", _tomorrow(facts), reason, limit=limit, value=value)


def loss_streak(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Too many losses in a row, the last of them the newest position of all."""
    if not policy.max_loss_streak:
        return
    ones, streak = facts.since(_window(policy, facts.now)), 0
    while streak < len(ones) and ones[-1 - streak].net < ZERO:
        streak += 1
    if streak >= policy.max_loss_streak:
        yield _lock("loss_streak", ones[-1], policy, f"{streak} losses in a row.", policy.max_loss_streak, streak)


def refused_entries(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """The venue refused entries in an instrument again and again: for want of funds, say. Asking on helps nobody."""
    by_symbol: dict[str, list[Ended]] = {}
    for one in facts.ended[bisect_left(facts.ended, facts.now - REFUSED_WITHIN, key=_at) :]:
        if one.reason == "refused":
            by_symbol.setdefault(one.symbol, []).append(one)
    for symbol, ones in by_symbol.items():
        if len(ones) >= REFUSALS:
            reason = f"The venue refused {len(ones)} entries in {symbol} within an hour."
            yield _lock("refused_entries", ones[-1], policy, reason, REFUSALS, len(ones), symbol)


def failures(facts: Facts, policy: Policy) -> Iterator[Lock]:
    """Too many cycles in a row that ended without a decision."""
    if policy.max_failures and facts.failures >= policy.max_failures and facts.failed_at is not None:
        limit, value = Decimal(policy.max_failures), Decimal(facts.failures)
        until = facts.failed_at + timedelta(minutes=policy.lock_minutes)
        yield Lock("failures", until, f"{facts.failures} decisions failed in a row.", limit=limit, value=value)


PROTECTIONS: tuple[Protection, ...] = (
    Protection(
        "cooldown", cooldown, "After a position closes its instrument rests {limit}.",
        lambda policy: _minutes(policy.cooldown_minutes),
    ),
    Protection(
        "stop_guard", stop_guard,
        "{limit} lock all entries; so many of one side of one instrument lock that side there.",
        lambda policy: " and ".join(
            words for count, words in (
                (policy.stop_guard_count, f"{policy.stop_guard_count} stopped out"),
                (policy.stop_guard_instrument_count, f"{policy.stop_guard_instrument_count} of one side"),
            ) if count
        ),
    ),
    Protection(
        "low_profit", low_profit, "An instrument rests whose last positions brought less than {limit}.",
        lambda policy: f"{percent(policy.low_profit)} in {policy.low_profit_count}" if policy.low_profit_count else "",
    ),
    Protection(
        "drawdown", drawdown, "Equity {limit} below its peak of the look-back locks all entries.",
        lambda policy: percent(policy.max_drawdown) if policy.max_drawdown else "",
    ),
    Protection(
        "daily_loss", daily_loss, "{limit} of equity lost since midnight UTC lock all entries until the next.",
        lambda policy: percent(policy.max_daily_loss) if policy.max_daily_loss else "",
    ),
    Protection(
        "trades_per_day", trades_per_day, "At most {limit} positions a UTC day.",
        lambda policy: str(policy.max_trades_per_day or ""),
    ),
    Protection(
        "loss_streak", loss_streak, "{limit} losses in a row lock all entries.",
        lambda policy: str(policy.max_loss_streak or ""),
    ),
    Protection(
        "refused_entries", refused_entries, "{limit} entries refused by the venue within an hour lock the instrument.",
        lambda policy: str(REFUSALS),
    ),
    Protection(
        "failures", failures, "{limit} cycles that fail in a row lock all entries.",
        lambda policy: str(policy.max_failures or ""),
    ),
)  # fmt: skip


def _at(one: Ended) -> datetime:
    return one.at


def _window(policy: Policy, now: datetime) -> datetime:
    return now - timedelta(minutes=policy.lock_look_back_minutes)


def _tomorrow(facts: Facts) -> datetime:
    return facts.today + timedelta(days=1)


def _minutes(count: int) -> str:
    return f"{count} min" if count else ""


def _lock(
    kind: str,
    last: Ended,
    policy: Policy,
    reason: str,
    limit: Decimal | int,
    value: Decimal | int,
    symbol: str = "",
    side: str = "",
) -> Lock:
    """It ends a lock's time after the last close that it rests on."""
    until = last.at + timedelta(minutes=policy.lock_minutes)
    return Lock(kind, until, reason, symbol, side, Decimal(limit), Decimal(value))


def _last_of_each(ones: Sequence[Ended]) -> dict[str, Ended]:
    return {one.symbol: one for one in ones}


def _by_side(ones: Sequence[Ended]) -> dict[tuple[str, bool], list[Ended]]:
    sides: dict[tuple[str, bool], list[Ended]] = {}
    for one in ones:
        sides.setdefault((one.symbol, one.long), []).append(one)
    return sides
