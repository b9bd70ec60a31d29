"""The locks of a backtest: what `bots.locking` finds at every slot, found without a look at every slot.

Locks follow from what has closed, from the day, and from equity beside its peak. So a look is due where something
happened, where the day or the look-back moves on, and where equity in floats comes near a limit; each look is exact.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bots.domain.locks import Ended, Facts, Lock, in_time, locks, look_back, standing
from bots.domain.policy import Policy
from markets.domain.candles import TIMEFRAMES, Floats, instant, milliseconds
from markets.domain.holdings import Holding
from markets.domain.rounding import ZERO

from .desk import Desk
from .foresight import Moments
from .market import Market
from .records import Position

_DAY, _MINUTE = TIMEFRAMES["1d"], TIMEFRAMES["1m"]
# What floats may be wrong by, beside a limit and among equal peaks.
_NOISE = 1e-9


class Holdings(NamedTuple):
    """What the book held from the end of an instant on: signed quantity and cost by symbol."""

    number: int
    cash: Decimal
    positions: tuple[tuple[str, Decimal, Decimal], ...]


class Protections:
    """Which locks hold for the book of `desk`. `path` is what it held, from the first instant on.

    `written` are all locks there were, each with the slot at which it was found.
    """

    def __init__(self, market: Market, policy: Policy, desk: Desk, path: Sequence[Holdings]) -> None:
        self._market, self._policy, self._desk, self._path = market, policy, desk, path
        self._points = np.full(market.instants + 1, np.nan)
        self._marks: dict[str, Floats] = {}
        self.written: list[tuple[datetime, Lock]] = []
        self._stored: dict[tuple[object, ...], Lock] = {}
        self._window = policy.lock_look_back_minutes * _MINUTE
        # What ended within the look-back, oldest first, and how many of the desk's are in it or have left it.
        self._ended: list[Ended] = []
        self._taken = [0, 0]
        self._limits = [float(limit) for limit in (policy.max_daily_loss, policy.max_drawdown) if limit]
        self._rests = bool(self._limits) or any(
            (policy.cooldown_minutes, policy.stop_guard_count, policy.stop_guard_instrument_count,
             policy.low_profit_count, policy.max_trades_per_day, policy.max_loss_streak)
        )  # fmt: skip
        # What a lock may follow from.
        self._gone = (desk.dropped, desk.closed) if self._rests else (desk.dropped,)
        # What had happened at the last look, which locks it found, and from when on time alone asks for another.
        self._seen, self._found, self._until = (-1, -1), frozenset[str](), 0

    def holding(self, number: int, equity: Decimal) -> tuple[Lock, ...]:
        """The locks that hold at the slot of an instant at which the book is worth `equity`."""
        if self._due(number) or (self._limits and self._exposed() and self._near_at(number, float(equity))):
            self._look(number, equity)
        if not self._stored:
            return ()
        now = self._market.at(number)
        return standing(lock for lock in self._stored.values() if lock.until > now)

    def passed(self, number: int, following: int, moments: Moments) -> None:
        """Nothing is done from the instant `number` until `following`; locks are found at the slots in between."""
        if not self._limits and following <= self._until and self._seen == self._happened():
            return
        exposed = bool(self._limits) and self._exposed()
        if self._limits:
            self._points[number:following] = self._worth(number, following) if exposed else float(self._path[-1].cash)
        if following == number + 1:
            return
        slots = moments.between(number + 1, following)
        if not len(slots):
            return
        near = np.zeros(len(slots), bool)
        if exposed and self._may_fall(number, following):
            near = self._near(slots, self._points[slots])
        place = 0
        while place < len(slots):
            at = int(slots[place])
            if self._due(at) or near[place]:
                known = self._found
                self._look(at, self._equity(at))
                if self._found != known and exposed:
                    near = self._near(slots, self._points[slots])
            following_near = int(near[place + 1 :].argmax()) if near[place + 1 :].any() else len(slots)
            place = min(place + 1 + following_near, max(int(slots.searchsorted(self._until)), place + 1))

    def _due(self, number: int) -> bool:
        """Whether something has happened since the last look, or time has moved on."""
        return number >= self._until or self._seen != self._happened()

    def _happened(self) -> tuple[int, int]:
        desk = self._desk
        # Positions that open count against those of a day alone, and what closes matters to none that is off.
        opened = len(desk.trades) if self._policy.max_trades_per_day else 0
        return opened, (len(desk.closed) if self._rests else 0) + len(desk.dropped)

    def _exposed(self) -> bool:
        return any(position.open for position in self._desk.positions.values())

    # --- One look ----------------------------------------------------------------------------------------

    def _look(self, number: int, equity: Decimal) -> None:
        now, policy = self._market.at(number), self._policy
        ended = self._until_now(now)
        opened = (position.opened_at for position in self._desk.positions.values())
        facts = Facts(
            now=now,
            equity=equity,
            ended=ended,
            opened=tuple(at for at in opened if at is not None),
            day_start=self._day_start(number) if self._falls(number, equity, policy.max_daily_loss) else None,
            peak=self._peak(number) if self._falls(number, equity, policy.max_drawdown) else None,
        )
        found = locks(facts, policy)
        self._stored = {key: lock for key, lock in self._stored.items() if lock.until > now}
        for lock in found:
            if lock.key not in self._stored:
                self._stored[lock.key] = lock
                self.written.append((now, lock))
        self._seen, self._found = self._happened(), frozenset(lock.kind for lock in found)
        self._until = self._moves_on(number, ended)

    def _until_now(self, now: datetime) -> tuple[Ended, ...]:
        """What ended within the look-back: what is new of the desk goes in, what has grown old goes out."""
        known = self._ended
        for which, gone in enumerate(self._gone):
            for position in gone[self._taken[which] :]:
                insort(known, _ended(position), key=in_time)
            self._taken[which] = len(gone)
        since, old = look_back(self._policy, now), 0
        while old < len(known) and known[old].at < since:
            old += 1
        del known[:old]
        return tuple(known)

    def _moves_on(self, number: int, ended: Sequence[Ended]) -> int:
        """The next instant at which a day begins, or something leaves the look-back that a lock may follow from.

        Fewer positions lock nothing, but where the sum of results counts; and without any a fall locks until tomorrow.
        """
        market = self._market
        now = market.start + number * market.step
        due = -((market.start - (now // _DAY + 1) * _DAY) // market.step)
        if not ended or not (self._policy.low_profit_count or self._policy.max_drawdown):
            return due
        within = bisect_left(ended, instant(now - self._window), key=lambda one: one.at)
        for one in (*ended[within : within + 1], ended[-1]) if self._policy.low_profit_count else ended[-1:]:
            left = (milliseconds(one.at) + self._window - market.start) // market.step + 1
            if left > number:
                due = min(due, left)
        return due

    # --- Equity of before --------------------------------------------------------------------------------

    def _first_of_day(self, number: int) -> int:
        market = self._market
        today = (market.start + number * market.step) // _DAY * _DAY
        return max(-((market.start - today) // market.step), 0)

    def _oldest(self, number: int) -> int:
        """The first instant of the look-back."""
        return max(number - self._window // self._market.step, 0)

    def _day_start(self, number: int) -> Decimal | None:
        first = self._first_of_day(number)
        return self._equity(first) if first < number else None

    def _peak(self, number: int) -> Decimal | None:
        first = self._oldest(number)
        window = self._points[first:number]
        if not len(window):
            return None
        highest = np.flatnonzero(window >= window.max() * (1 - _NOISE / 1000))
        # What is held without a position is worth the same at every instant.
        values: dict[object, Decimal] = {}
        for row in highest.tolist():
            segment = self._segment(first + row)
            key = segment.number if not segment.positions else (first + row,)
            if key not in values:
                values[key] = self._equity(first + row)
        return max(values.values())

    def _segment(self, number: int) -> Holdings:
        return self._path[bisect_right(self._path, number, key=lambda one: one.number) - 1]

    def _equity(self, number: int) -> Decimal:
        """Exactly what the book was worth at the end of an instant."""
        held = self._segment(number)
        parts = (Holding(quantity, cost).unrealised(self._mark(symbol, number)) for symbol, quantity, cost in held[2])
        return held.cash + sum(parts, ZERO)

    def _mark(self, symbol: str, number: int) -> Decimal:
        quote = self._market.courses[symbol].quote(number)
        assert quote is not None, "What is held has had a price."
        return quote.mark

    def _worth(self, number: int, following: int) -> Floats:
        """Equity as floats from `number` until `following`, with what is held now."""
        held = self._path[-1]
        worth = np.full(following - number, float(held.cash))
        for symbol, quantity, cost in held.positions:
            if symbol not in self._marks:
                course = self._market.courses[symbol]
                # At the tick, as quotes are.
                self._marks[symbol] = np.rint(course.marks(self._market.instants + 1) / course.tick) * course.tick
            sign = 1 if quantity > 0 else -1
            worth += float(quantity) * self._marks[symbol][number:following] - sign * float(cost)
        return worth

    def _may_fall(self, number: int, following: int) -> bool:
        """Whether equity comes near any limit before `following`, held against the highest that any is counted from."""
        first = min(self._oldest(number), self._first_of_day(number))
        highest = float(self._points[first:following].max())
        lowest = float(self._points[number:following].min())
        return highest - lowest >= (min(self._limits) - _NOISE) * highest

    def _falls(self, number: int, equity: Decimal, limit: Decimal) -> bool:
        """Whether equity may be so far below the highest looked back on: if not, nobody asks how far exactly."""
        if not limit:
            return False
        highest = float(self._points[min(self._oldest(number), self._first_of_day(number)) : number].max(initial=0.0))
        return highest - float(equity) >= (float(limit) - _NOISE) * highest

    def _near_at(self, number: int, worth: float) -> bool:
        first = min(self._oldest(number), self._first_of_day(number))
        highest = float(self._points[first:number].max(initial=0.0))
        if highest - worth < (min(self._limits) - _NOISE) * highest:
            return False
        return bool(self._near(np.array([number]), np.array([worth]))[0])

    def _near(self, slots: NDArray[np.int64], worth: Floats) -> NDArray[np.bool_]:
        """At which slots equity is so low that a lock may follow which the last look has not found."""
        near = np.zeros(len(slots), bool)
        limit = float(self._policy.max_daily_loss)
        if limit and "daily_loss" not in self._found:
            near |= _fallen(self._at_day_start(slots), worth, limit)
        limit = float(self._policy.max_drawdown)
        if limit and "drawdown" not in self._found:
            first, last = self._oldest(int(slots[0])), int(slots[-1])
            highest = self._points[first:last].max(initial=0.0)
            if _fallen(highest, worth, limit).any():
                peaks = [self._points[self._oldest(at) : at].max(initial=0.0) for at in slots.tolist()]
                near |= _fallen(np.array(peaks), worth, limit)
        return near

    def _at_day_start(self, slots: NDArray[np.int64]) -> Floats:
        market = self._market
        today = (market.start + slots * market.step) // _DAY * _DAY
        first = np.maximum(-((market.start - today) // market.step), 0)
        begun: Floats = np.where(first < slots, self._points[first], 0.0)
        return begun


def _fallen(top: Floats | float, worth: Floats, limit: float) -> NDArray[np.bool_]:
    fallen: NDArray[np.bool_] = (top - worth >= (limit - _NOISE) * top) & (np.asarray(top) > 0)
    return fallen


def _ended(position: Position) -> Ended:
    at = position.closed_at
    assert at is not None
    second = at - timedelta(microseconds=at.microsecond)  # As the ledger reads it.
    value = position.figures.entry_value
    return Ended(position.symbol, position.long, position.net, value, position.exit_reason, second)
