"""The desk of one backtest: sends orders to the venue engine, books what it reports, keeps plans as the guardian does.

It is the ledger without rows: the same pure functions in the same order, for one account with one book. Orders of
unknown fate do not exist here, and nobody else trades on the account.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from bots.domain.exit_plan import Condition
from bots.domain.plan import Plan
from ledger.domain.brackets import Resting, needed
from ledger.domain.enforcement import ENTRY_LIFETIME, exit_due, exit_reason, exposed, target_to_place
from ledger.domain.intents import IntentDraft, Kind
from ledger.domain.portfolio import PendingEntry, Portfolio
from ledger.domain.positions import after_fill
from ledger.domain.trailing import trailed
from markets.domain import venue
from markets.domain.instruments import InstrumentRules
from markets.domain.orders import (
    Confirmed,
    Fill,
    Income,
    OrderReport,
    OrderRequest,
    OrderType,
    Report,
    Side,
    VenueStatus,
)
from markets.domain.rounding import ZERO
from markets.domain.snapshot import QuoteView
from markets.domain.venue_state import Outcome, VenueState

from .records import Order, Position, Trade

BOOK = 1
_PROTECTIVE = {"stop": OrderType.STOP, "target": OrderType.TARGET}


class Desk:
    """One account at the venue with one book. `quote` gives the newest quote of a symbol, `now` is market time.

    Every order sent is kept in `placed` where that is a list; `refusals` are the venue's words where it took none.
    """

    def __init__(
        self,
        *,
        cash: Decimal,
        currency: str,
        rules: Mapping[str, InstrumentRules],
        quote: Callable[[str], QuoteView],
        mark: Callable[[str], Decimal],
        holds: Callable[[Condition, str], bool],
    ) -> None:
        self.venue = VenueState(cash)
        self.cash = self.deposited = cash
        self.currency, self.rules = currency, rules
        self.now: datetime
        self.positions: dict[str, Position] = {}
        self.closed: list[Position] = []
        # Those whose entry never filled.
        self.dropped: list[Position] = []
        self.trades: list[Trade] = []
        self.incomes: list[Income] = []
        self.placed: list[Order] | None = None
        self.fees = self.funding = ZERO
        self.refusals: list[str] = []
        self.orders: dict[str, Order] = {}
        self._quote, self._mark, self._holds = quote, mark, holds
        self.acts, self._tidy = 0, -1
        self._news: list[Report] = []
        self._sent = self._opened = 0

    # --- What a cycle does -------------------------------------------------------------------------------

    def portfolio(self) -> Portfolio:
        """The book as risk sees it."""
        held = tuple([p.held(self._mark(symbol)) for symbol, p in self.positions.items()])
        pending = tuple(self._pending()) if self.orders else ()
        return Portfolio(BOOK, self.currency, self.cash, self.deposited, held, pending)

    def _pending(self) -> Iterable[PendingEntry]:
        for order in self.orders.values():
            if order.role == "entry":
                asked = order.request
                yield PendingEntry.of(
                    asked.symbol, asked.side is Side.BUY, asked.quantity, order.filled, asked.price, order.reserved,
                    asked.leverage,
                )  # fmt: skip

    def follow(self, plan: Plan) -> None:
        """Commit a plan, send its orders in its order, book the answers and keep what is open protected."""
        orders, adjusted = [], False
        for item in plan.items:
            if item.draft is None:
                continue
            invalidation = item.proposal.invalidation if item.proposal else None
            adjusted |= item.draft.kind is Kind.ADJUST_EXITS
            orders += self._committed(item.draft, invalidation)
        changed = self._send(orders)
        if adjusted or [position for position in changed if position.open]:
            self._protect(self._open())

    def _committed(self, draft: IntentDraft, invalidation: Condition | None) -> list[Order]:
        position = self._opening(draft) if draft.kind is Kind.OPEN else self.positions[draft.symbol]
        if draft.kind is Kind.ADD or draft.kind is Kind.ADJUST_EXITS:
            for name in ("stop", "target", "trail", "expires_at"):
                if (value := getattr(draft, name)) is not None:
                    setattr(position, name, value)
        if invalidation is not None:
            position.invalidation = invalidation
        if draft.kind == Kind.ADJUST_EXITS:
            return []
        role = "entry" if draft.enters else "exit"
        request = OrderRequest(
            self._id(), draft.symbol, draft.side, draft.order_type, draft.quantity, draft.limit, None,
            not draft.enters, draft.leverage,
        )  # fmt: skip
        return [Order(request, role, position, self.now, draft.reserved)]

    def _opening(self, draft: IntentDraft) -> Position:
        position = self._position(draft.symbol, draft.long, draft.leverage)
        position.stop, position.target, position.trail = draft.stop, draft.target, draft.trail
        position.expires_at, position.reason = draft.expires_at, draft.reason
        return position

    def _position(self, symbol: str, long: bool, leverage: int, planned: bool = True) -> Position:
        self._opened += 1
        position = Position(self._opened, self.rules[symbol], long, leverage, planned)
        self.positions[symbol] = position
        return position

    def _id(self) -> str:
        self._sent += 1
        return str(self._sent)

    # --- The venue ---------------------------------------------------------------------------------------

    def _send(self, orders: Sequence[Order]) -> list[Position]:
        """Send all, then book all: what an order in the middle changes is not known to those after it."""
        refused = []
        for order in orders:
            asked, position = order.request, order.position
            answered = venue.submit(self.venue, asked, self._quote(asked.symbol), position.rules, self.now)
            position.orders.append(order)
            position.fits = None
            if self.placed is not None:
                self.placed.append(order)
            if isinstance(answered.answer, Confirmed):
                self.orders[asked.client_id] = order
                order.resting, self.venue = True, answered.state
                if answered.answer.report.status is not VenueStatus.OPEN:
                    self._news += answered.reports
            else:
                order.ended = order.refused = True
                order.reason = getattr(answered.answer, "message", "")
                self.refusals.append(order.reason)
                refused.append(order)
        self.acts += len(orders)
        return self._collect(refused) if orders else []

    def _cancel(self, orders: Sequence[Order]) -> None:
        for order in orders:
            answered = venue.cancel(self.venue, order.request.client_id, self.now)
            self.venue = answered.state
            self._news += answered.reports
        if orders:
            self.acts += 1
            self._collect()

    def moved(self, outcome: Outcome) -> None:
        """The market has moved the account at the venue."""
        self.venue = outcome.state
        self._news += outcome.reports

    # --- Booking -----------------------------------------------------------------------------------------

    def _collect(self, refused: Sequence[Order] = ()) -> list[Position]:
        """Book all news. Returns the positions that changed."""
        if not self._news and not refused:
            return []
        self.acts += 1
        news, self._news = self._news, []
        changed: list[Position] = []
        ended = list(refused)
        for report in news:
            if isinstance(report, OrderReport):
                order = self.orders.get(report.client_id)
                if order is None:
                    continue
                order.position.fits = None
                if not report.status.live:
                    order.ended, order.resting, order.reason = True, False, report.reason
                    ended.append(order)
            elif isinstance(report, Fill):
                self._book_fill(report, changed)
            else:
                self._book_income(report, changed)
        for order in ended:
            position = order.position
            if self.orders.pop(order.request.client_id, None) is not None:
                position.orders.remove(order)
            if order.role == "entry" and not order.filled and position.opened_at is None:
                # An opening whose entry ended without a fill gives its place back.
                self._drop(position, "refused" if order.refused else "not filled")
        return changed

    def _drop(self, position: Position, reason: str) -> None:
        if self.positions.get(position.symbol) is position:
            position.closed_at, position.exit_reason = self.now, reason
            self.dropped.append(position)
            del self.positions[position.symbol]

    def _book_fill(self, fill: Fill, changed: list[Position]) -> None:
        order = self.orders.get(fill.client_id or "")
        position = self.positions.get(fill.symbol) or self._unplanned(fill, order)
        if order is not None:
            order.filled += fill.quantity
        realised = position.figures.realised
        position.leverage = fill.leverage or position.leverage
        position.figures, begun = after_fill(position.figures, fill, position.leverage)
        if position.opened_at is None:
            position.opened_at = fill.at
        self.cash += position.figures.realised - realised - fill.fee
        self.fees += fill.fee
        self.trades.append(Trade(fill, order.role if order else None))
        changed.append(position)
        if not position.figures.quantity:
            self._close(position, fill, order)
        if begun is not None:
            after = self._position(fill.symbol, begun.quantity > 0, position.leverage, planned=False)
            after.figures, after.opened_at = begun, fill.at
            changed.append(after)

    def _close(self, position: Position, fill: Fill, order: Order | None) -> None:
        position.closed_at = fill.at
        position.exit_reason = (
            "liquidation"
            if fill.liquidation
            else exit_reason(role=order.role if order else None, source=order.source if order else "")
        )
        self.closed.append(position)
        del self.positions[position.symbol]

    def _unplanned(self, fill: Fill, order: Order | None) -> Position:
        """A position that no plan of its own opened: an order has outlived its position and hands its plan on."""
        position = self._position(fill.symbol, fill.side.sign > 0, 1, planned=order is not None)
        if order is not None:
            before = order.position
            position.stop, position.expires_at, position.invalidation = (
                before.stop, before.expires_at, before.invalidation,
            )  # fmt: skip
        return position

    def _book_income(self, income: Income, changed: list[Position]) -> None:
        position = self.positions.get(income.symbol)
        if position is None:
            position = next((p for p in reversed(self.closed) if p.symbol == income.symbol), None)
        if position is not None and income.kind == "funding":
            position.funding += income.amount
            position.figures = position.figures.with_margin(-income.from_margin)
        elif position is not None:
            position.figures = position.figures.with_result(income.amount)
        self.incomes.append(income)
        self.cash += income.amount
        if income.kind == "funding":
            self.funding += income.amount
        if position is not None:
            changed.append(position)

    # --- The guardian ------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Book what the venue has reported, then enforce every plan, then look at the invalidations.

        `acts` counts what was done: where it has not moved, settling again would do nothing either.
        """
        self._collect()
        held, acts = self._open(), self.acts
        if [position for position in held if not self._at_rest(position)]:
            self._enforce(held)
        if self.orders and self._tidy != self.acts:
            self._sweep_orphans()
        for position in held if self.acts == acts else self._open():
            condition = position.invalidation
            if condition is not None and self._holds(condition, position.symbol):
                self._close_all([position])

    def _at_rest(self, position: Position) -> bool:
        """Whether its plan asks for nothing now, as far as that can be told at a glance."""
        due = position.expires_at is not None and position.expires_at <= self.now
        return position.fit and position.trail is None and position.planned and not due

    def _open(self) -> list[Position]:
        # None of them has closed: who has is not among them.
        return [position for position in self.positions.values() if position.opened_at is not None]

    def _enforce(self, held: Sequence[Position]) -> None:
        due = [position for position in held if self._due(position)]
        self._close_all(due)
        self._protect([position for position in held if position not in due])

    def _due(self, position: Position) -> bool:
        if position.live("exit"):
            return False
        return bool(
            exit_due(planned=position.planned, stop=position.stop, expires_at=position.expires_at, now=self.now)
        )

    def _close_all(self, positions: Sequence[Position]) -> None:
        """Market exits for whole positions; each at most once in an instant."""
        orders = []
        for position in positions:
            gone = self.positions.get(position.symbol) is not position
            if gone or position.tried_at == self.now:
                continue
            position.tried_at, quantity = self.now, position.figures.quantity
            request = OrderRequest(
                self._id(), position.symbol, Side.of(-quantity), OrderType.MARKET, abs(quantity),
                reduce_only=True, leverage=position.leverage,
            )  # fmt: skip
            orders.append(Order(request, "exit", position, self.now, source="guardian"))
        self._send(orders)

    def _protect(self, positions: Sequence[Position]) -> None:
        """Place what is missing, then cancel what no longer fits and whose successor rests."""
        place: list[Order] = []
        cancel: list[tuple[Order, Order | None]] = []
        for position in positions:
            if position.planned:
                self._trail(position)
                if not position.fit:
                    self._brackets(position, place, cancel)
        if not place and not cancel:
            return
        self._send(place)
        self._cancel([old for old, new in cancel if not old.ended and (new is None or new.resting)])
        among = [position for position in self._open() if position in positions]
        beyond = [position for position in among if position.planned and self._exposed(position)]
        self._close_all(beyond)
        refused = [order.position for order in place if not order.resting]
        for position in [order.position for order in place if order.position not in refused]:
            if position.open:
                position.fits = (position.figures, position.stop, position.target)

    def _trail(self, position: Position) -> None:
        if position.trail is not None and position.stop is not None:
            mark = self._mark(position.symbol)
            position.stop = trailed(position.stop, mark, position.trail, position.long, position.rules)

    def _brackets(self, position: Position, place: list[Order], cancel: list[tuple[Order, Order | None]]) -> None:
        quantity, live = position.figures.quantity, position.live("stop", "target")
        side = Side.of(-quantity)
        resting = [Resting(n, o.role, o.request.trigger or ZERO, o.remaining) for n, o in enumerate(live)]
        wanted = needed(abs(quantity), position.stop, self._target(position), resting)
        if not wanted.place and not wanted.cancel and position.stop is not None:
            position.fits = (position.figures, position.stop, position.target)
        successors: dict[int, Order] = {}
        for one in wanted.place:
            request = OrderRequest(
                self._id(), position.rules.symbol, side, _PROTECTIVE[one.role], one.quantity, None, one.trigger, True,
                position.leverage,
            )  # fmt: skip
            order = Order(request, one.role, position, self.now)
            place.append(order)
            if one.replaces is not None:
                successors[one.replaces] = order
        cancel += [(live[n], successors.get(n)) for n in wanted.cancel]

    def _target(self, position: Position) -> Decimal | None:
        refused = [(o.request.trigger, o.request.quantity) for o in position.orders if o.refused and o.role == "target"]
        return target_to_place(position.target, (abs(position.figures.quantity),), refused)

    def _exposed(self, position: Position) -> bool:
        if position.live("exit"):
            return False
        side = Side.of(-position.figures.quantity)
        covered = sum([o.remaining for o in position.live("stop") if o.request.side is side], ZERO)
        why = exposed(
            covered=covered >= abs(position.figures.quantity),
            stop=position.stop,
            stop_rests=any(o.request.trigger == position.stop for o in position.live("stop")),
            target=position.target,
            target_rests=bool(position.live("target")),
            mark=self._mark(position.symbol),
            long=position.long,
        )
        return bool(why)

    def _sweep_orphans(self) -> None:
        """Cancel orders that outlived what they were for."""
        # Those that only reduce what is open are not orphaned, and most are such.
        doubtful = [o for o in self.orders.values() if o.role == "entry" or not o.position.open]
        if not doubtful:
            # It stays so until something is done.
            self._tidy = self.acts
        self._cancel([order for order in doubtful if order.resting and self._orphaned(order)])

    def _orphaned(self, order: Order) -> bool:
        position = order.position
        if order.request.reduce_only:
            return not position.open
        late = order.at <= self.now - ENTRY_LIFETIME
        expired = position.expires_at is not None and position.expires_at <= self.now
        return late or expired or position.closed_at is not None
