"""The backtest: walks a market from event to event and calls, at each, the very code that trades live.

An instant is what it is in `bots.dispatch`: settle, decide, settle again, then the step of the market. Instants at
which nothing can happen are passed over: no slot at which the decider might act, no price at a resting order or at a
liquidation, no trailing stop to move, no limit of time, no invalidation, no funding. Money is Decimal and is touched
at events only; arrays of floats merely find them, with a tick to spare.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bots.deciders.base import Decider
from bots.domain.briefing import Briefing
from bots.domain.decisions import parse
from bots.domain.exit_plan import Condition, holds
from bots.domain.judgement import judge
from bots.domain.locks import Lock
from bots.domain.plan import Outcome, Plan
from bots.domain.policy import Policy
from bots.domain.story import NOTHING_YET, OpenInterest
from ledger.domain.enforcement import ENTRY_LIFETIME
from ledger.domain.portfolio import Portfolio
from markets.domain import venue
from markets.domain.admission import met_falling
from markets.domain.candles import milliseconds
from markets.domain.orders import Income, VenuePosition
from markets.domain.price_path import ruin
from markets.domain.snapshot import InstrumentView, QuoteView, Snapshot
from markets.domain.venue_state import VenueState, level

from .desk import Desk
from .foresight import Moments
from .lazy import LazyView
from .market import Course, Market
from .protections import Holdings, Protections
from .records import Order, Position, Trade

NEVER = float("inf")
_NOWHERE = (-NEVER, NEVER)
# No strategy reads it, and what is stored of it begins later than candles do.
_NOBODY_TELLS: Mapping[str, OpenInterest] = {}


@dataclass(frozen=True, slots=True)
class Setup:
    """Who trades, within which limits, how often and with what. `timeframes` run finest first, `interval` is in ms.

    `foresee` lets a decider that can tell when it might act be passed over at all other slots; with `keep_orders` every
    order is kept.
    """

    decider: Decider
    policy: Policy
    timeframes: tuple[str, ...]
    interval: int
    cash: Decimal
    name: str = "Backtest"
    seed: int = 0
    max_exposure: Decimal | None = None
    foresee: bool = True
    keep_orders: bool = False


@dataclass(slots=True)
class Result:
    """What came of it. `asked` counts the decider's answers, `refused` the items that the judgement refused.

    `refusals` are the venue's, in its words; `locks` come with the slots at which they were found.
    """

    setup: Setup
    market: Market
    cash: Decimal
    equity: Decimal
    fees: Decimal
    funding: Decimal
    trades: list[Trade]
    incomes: list[Income]
    orders: list[Order]
    closed: list[Position]
    open: list[Position]
    path: list[Holdings]
    asked: int
    refused: int
    refusals: list[str]
    locks: list[tuple[datetime, Lock]]


@dataclass(slots=True)
class Backtest:
    """One run over a market. `heard` is called with every briefing, raw answer and plan; `passed` with each instant."""

    market: Market
    setup: Setup
    heard: Callable[[Briefing, dict[str, object], Plan], None] | None = None
    passed: Callable[[int], None] | None = None
    desk: Desk = field(init=False)
    _protections: Protections = field(init=False)
    _number: int = field(init=False, default=0)
    _length: timedelta = field(init=False, default=timedelta())
    _quotes: dict[str, QuoteView] = field(init=False, default_factory=dict)
    _path: list[Holdings] = field(init=False, default_factory=list)
    _ruin: dict[str, tuple[VenuePosition, float]] = field(init=False, default_factory=dict)
    _waiting: tuple[VenueState | None, dict[str, tuple[float, float]]] = field(init=False, default=(None, {}))
    _changes: tuple[int, Decimal] = field(init=False, default=(0, Decimal(0)))
    _side: tuple[int, dict[str, int | None]] = field(init=False, default=(-1, {}))
    _asked: int = field(init=False, default=0)
    _refused: int = field(init=False, default=0)

    def run(self) -> Result:
        """Trade the whole period. Whatever is held at its end stays open, valued at the last close."""
        market, setup = self.market, self.setup
        self.desk = Desk(
            cash=setup.cash,
            currency=market.listed[0].rules.settle,
            rules={one.rules.symbol: one.rules for one in market.listed},
            quote=self._quote,
            mark=self._mark,
            holds=self._invalid,
        )
        self.desk.placed = [] if setup.keep_orders else None
        moments = Moments(
            market, setup.interval, setup.decider if setup.foresee else None, setup.timeframes, setup.policy
        )
        self._protections = Protections(market, setup.policy, self.desk, self._path)
        end, self._length = market.instants, timedelta(milliseconds=market.step)
        self.desk.now = market.at(0)
        while self._number < end:
            self._instant(moments)
            following = self._following(moments, end)
            self._protections.passed(self._number, following, moments)
            self._step(following)
            if self.passed is not None:
                self.passed(following)
        self.desk.settle()
        self._remember()
        return self._result()

    def _instant(self, moments: Moments) -> None:
        desk = self.desk
        acts = desk.acts
        desk.settle()
        if moments.due(self._number):
            book = desk.portfolio()
            equity = book.equity
            held = self._protections.holding(self._number, equity)
            if moments.asks(self._number, self._sides()):
                self._decide(book, equity, held)
                if desk.acts != acts:
                    desk.settle()
        self._remember()

    # --- Deciding ----------------------------------------------------------------------------------------

    def _decide(self, book: Portfolio, equity: Decimal, locks: tuple[Lock, ...]) -> None:
        briefing = self._briefing(book, equity, locks)
        raw = self.setup.decider.decide(briefing)
        if self.heard is None and self._merely_holds(raw):
            self._asked += 1
            return
        answer = parse(raw, known=briefing.symbols, timeframes=self.setup.timeframes)
        plan = judge(briefing, answer)
        self._asked += 1
        self._refused += len([item for item in plan.items if item.outcome is Outcome.REFUSED])
        if self.heard is not None:
            self.heard(briefing, raw, plan)
        if plan.drafts:
            self.desk.follow(plan)

    def _merely_holds(self, raw: dict[str, Any]) -> bool:
        """Whether the answer is nothing but well-formed holds: judging them would plan and refuse nothing."""
        items = raw.get("items")
        if type(items) is not list:
            return False
        named, courses = set(), self.market.courses
        for item in items:
            if type(item) is not dict or item.get("action") != "hold":
                return False
            symbol = item.get("symbol")
            if type(symbol) is not str or symbol not in courses:
                return False
            named.add(symbol)
        return len(named) == len(items)

    def _briefing(self, book: Portfolio, equity: Decimal, locks: tuple[Lock, ...]) -> Briefing:
        setup, now, number, exposure = self.setup, self.desk.now, self._number, book.exposure
        # The account has no other book, and its owner no other account.
        return Briefing(
            setup.name, now, setup.timeframes, setup.policy, Snapshot(now, self._views(now)), book, "active",
            setup.seed, number * self.market.step // setup.interval, exposure, equity, setup.max_exposure, False,
            setup.interval // 1000, NOTHING_YET, _NOBODY_TELLS, locks, exposure, equity, None,
            self.market.covariance(number),
        )  # fmt: skip

    def _views(self, now: datetime) -> dict[str, InstrumentView]:
        at, number = self.market.time(self._number), self._number
        return {
            symbol: self._view(course, now, at)
            for symbol, course in self.market.courses.items()
            if course.row(number) is not None or self._priced(symbol) is not None
        }

    def _view(self, course: Course, now: datetime, at: int) -> InstrumentView:
        series = {name: course.windows[name].at(at) for name in self.setup.timeframes}
        return LazyView(course.rules, self._quote, series, now, at)

    def _invalid(self, condition: Condition, symbol: str) -> bool:
        now = self.desk.now
        return holds(condition, self._view(self.market.courses[symbol], now, milliseconds(now)))

    def _quote(self, symbol: str) -> QuoteView:
        found = self._quotes.get(symbol) or self._priced(symbol)
        if found is None:
            raise LookupError(f"There is no price of {symbol} yet.")
        return found

    def _mark(self, symbol: str) -> Decimal:
        """The newest mark price, which is the last price."""
        known = self._quotes.get(symbol)
        if known is not None:
            return known.mark
        price = self.market.courses[symbol].opening(self._number)
        return self._quote(symbol).mark if price is None else price

    def _priced(self, symbol: str) -> QuoteView | None:
        found = self._quotes.get(symbol)
        if found is None and (found := self.market.courses[symbol].quote(self._number)) is not None:
            self._quotes[symbol] = found
        return found

    # --- The next event ----------------------------------------------------------------------------------

    def _sides(self) -> dict[str, int | None]:
        """What is held by symbol: see `Moments.following`. It changes only where the desk has done something."""
        if self._side[0] == self.desk.acts:
            return self._side[1]
        sides: dict[str, int | None] = dict.fromkeys(self.market.courses, 0)
        for symbol, position in self.desk.positions.items():
            sides[symbol] = (1 if position.long else 2) if position.open else None
        for order in self.desk.orders.values():
            if order.role == "entry":
                sides[order.request.symbol] = None
        self._side = self.desk.acts, sides
        return sides

    def _following(self, moments: Moments, end: int) -> int:
        """The next instant at which anything may happen."""
        number, venue_now = self._number, self.desk.venue
        until = moments.following(number, self._sides(), end) if number + 1 < end else end
        if until <= number + 1:
            return number + 1
        for position in self.desk.positions.values():
            until = self._next_of_plan(position, until)
        for order in self.desk.orders.values():
            if order.role == "entry":
                until = min(until, self._number_at(order.at + ENTRY_LIFETIME))
        for symbol in self._waiting_at(venue_now):
            course = self.market.courses[symbol]
            until = course.next_touch(number, *self._levels(course), until)
            if symbol in venue_now.positions:
                until = course.next_funding(number, until)
        return max(until, number + 1)

    def _next_of_plan(self, position: Position, until: int) -> int:
        """When its plan needs to be looked at: its time limit, its trailing stop, its invalidation."""
        course = self.market.courses[position.symbol]
        if position.expires_at is not None:
            until = min(until, self._number_at(position.expires_at))
        if position.trail is not None and position.stop is not None:
            sign = 1 if position.long else -1
            beyond = float(position.stop) / (1 - sign * float(position.trail)) - sign * course.tick
            until = course.next_open_beyond(self._number, beyond, position.long, until)
        if position.invalidation is not None:
            until = min(until, course.next_holding(self._number, position.invalidation, until))
        return until

    def _number_at(self, at: datetime) -> int:
        """The first instant at or after `at`, and in any case a later one than this."""
        number = -((self.market.start - milliseconds(at)) // self.market.step)
        return max(number, self._number + 1)

    def _levels(self, course: Course) -> tuple[float, float]:
        """The prices at which something waits at the venue, the nearest below and above, with a tick to spare."""
        low, high = self._waiting_at(self.desk.venue).get(course.symbol, _NOWHERE)
        return low + course.tick, high - course.tick

    def _waiting_at(self, state: VenueState) -> dict[str, tuple[float, float]]:
        """By symbol, for all that have a position or orders: the nearest price below and above."""
        if self._waiting[0] is not state:
            self._waiting = state, self._nearest(state)
        return self._waiting[1]

    def _nearest(self, state: VenueState) -> dict[str, tuple[float, float]]:
        found: dict[str, tuple[float, float]] = {}
        for order in state.orders:
            asked = order.request
            waits = level(asked)
            if waits is not None:
                low, high = found.get(asked.symbol, _NOWHERE)
                falling = met_falling(asked)
                found[asked.symbol] = (max(low, float(waits)), high) if falling else (low, min(high, float(waits)))
        for symbol, held in state.positions.items():
            low, high = found.get(symbol, _NOWHERE)
            limit = self._ruin_of(held, self.market.courses[symbol])
            found[symbol] = (max(low, limit), high) if held.quantity > 0 else (low, min(high, limit))
        return found

    def _ruin_of(self, held: VenuePosition, course: Course) -> float:
        known = self._ruin.get(held.symbol)
        if known is None or known[0] is not held:
            limit = ruin(held, course.rules)
            nowhere = -NEVER if held.quantity > 0 else NEVER
            known = self._ruin[held.symbol] = (held, nowhere if limit is None else float(limit))
        return known[1]

    # --- The step of the market --------------------------------------------------------------------------

    def _step(self, following: int) -> None:
        """Go to the instant `following`: the rest of the candle before it, its opens, and funding, in this order."""
        desk, before = self.desk, following - 1
        at = desk.now = desk.now + (following - self._number) * self._length
        self._number = following
        self._quotes.clear()
        if not desk.venue.positions and not desk.venue.orders:
            return
        waiting = self._waiting_at(desk.venue)
        active = [course for course in self.market.courses.values() if course.symbol in waiting]
        for course in active:
            low, high = self._levels(course)
            if course.touched(before, low, high):
                bar = course.bar(before)
                if bar is not None:
                    desk.moved(venue.through(desk.venue, bar, course.rules, at))
        for course in active:
            if desk.venue.active(course.symbol) and course.opens_at(following, *self._levels(course)):
                desk.moved(venue.open_at(desk.venue, self._quote(course.symbol), course.rules, at))
        for course in active:
            rate = course.funding.get(following) if course.funding else None
            if rate is not None and desk.venue.active(course.symbol):
                mark = self._quote(course.symbol).mark
                desk.moved(venue.fund(desk.venue, rate, mark, course.rules, at))

    def _remember(self) -> None:
        desk = self.desk
        changes = (len(desk.trades), desk.funding)
        if self._path and changes == self._changes:
            return
        self._changes = changes
        held = [
            (symbol, position.figures.quantity, position.figures.cost)
            for symbol, position in desk.positions.items()
            if position.open
        ]
        self._path.append(Holdings(self._number, desk.cash, tuple(held)))

    def _result(self) -> Result:
        desk = self.desk
        return Result(
            setup=self.setup,
            market=self.market,
            cash=desk.cash,
            equity=desk.portfolio().equity,
            fees=desk.fees,
            funding=desk.funding,
            trades=desk.trades,
            incomes=desk.incomes,
            orders=desk.placed or [],
            closed=desk.closed,
            open=[position for position in desk.positions.values() if position.open],
            path=self._path,
            asked=self._asked,
            refused=self._refused,
            refusals=desk.refusals,
            locks=self._protections.written,
        )
