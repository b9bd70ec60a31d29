"""The only writer of order state. Intents and orders are committed here before anything is sent.

An order is claimed by conditional update, sent once, and its answer recorded. An order whose fate is unknown is
looked up, never sent again. Nothing is sent inside a transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid5

from django.db import IntegrityError, transaction
from django.db.models import Exists

from markets.domain.orders import (
    Answer,
    Confirmed,
    Denied,
    Fill,
    OrderReport,
    OrderRequest,
    OrderType,
    Refused,
    Report,
    Side,
    Unknown,
)
from markets.domain.splitting import pieces
from markets.models import Instrument
from markets.prepared import Prepared
from markets.updates import update_rows

from . import valuation, venue_changes
from .domain import lookups
from .domain.intents import IntentDraft, Kind
from .domain.portfolio import AccountPortfolio, HeldPosition
from .gateway import barred, venue_of
from .models import Account, Book, Intent, Order, OrderState, Position, Role, Source, TradingState, User

REASON_LENGTH = 300
# How long after its claim an order may still reach its venue; later it is refused there, so that a process that
# froze on its way wakes up to no effect.
RECEIVE_WINDOW = timedelta(seconds=30)
# Longer than any call to a venue may take, its cycle's deadline included. And longer than the window and an idle
# transaction together: what the venue does not know by then cannot come any more.
IN_FLIGHT = timedelta(seconds=90)
DOUBT = ("state", "reason", "lookups", "lookup_at", "deadline_at")
TOLD = (*DOUBT, "venue_id", "told_filled", "closed_at")
RECORDED = (*TOLD, "filled", "filled_value")
PLAN = ("stop", "target", "trail", "expires_at")


class Superseded(Exception):
    """The book's fencing number has moved on: an older writer must not commit or send."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who asks: `reference` names the cause (`cycle:41`), `fence` the book's number under which it was decided."""

    source: Source
    reference: str
    at: datetime
    fence: int = 0


# Locked, so that nobody moves the fence on between the look at it and the commit.
_FENCE = Prepared(
    lambda book: Book.objects.filter(pk=book).select_for_update(no_key=True).values_list("fence", flat=True), "book"
)


@contextmanager
def locked(*, book: Book, seen: AccountPortfolio, cause: Cause) -> Iterator[AccountPortfolio]:
    """Hold the account of `book` for a plan and yield the portfolio of all its books.

    `seen` was read at `account.revision` and is read again only where the account has moved since. Where the owner
    has a limit over all accounts, a decision holds the owner too, always before the account, and counts the others.
    Raises Superseded where a decision's fence is no longer the book's.
    """
    account = book.account
    assert account is not None
    with transaction.atomic():
        limited = cause.source == Source.DECISION and account.owner.max_exposure is not None
        if limited:
            account.owner = User.objects.select_for_update(no_key=True).get(pk=account.owner_id)
        unmoved = Account.objects.filter(pk=account.pk, revision=account.revision)
        if not unmoved.update(revision=account.revision + 1):
            fresh = Account.objects.select_for_update().get(pk=account.pk)
            account.report_cursor, account.revision = fresh.report_cursor, fresh.revision
            Account.objects.filter(pk=account.pk).update(revision=account.revision + 1)
            seen = valuation.account_portfolio(account=account)
        if cause.source == Source.DECISION and _FENCE(book=book.pk) != [cause.fence]:
            raise Superseded(f"Another cycle of {book.name} has begun.")
        account.revision += 1
        yield valuation.beside(seen, account) if limited else seen


def commit(
    *,
    book: Book,
    portfolio: AccountPortfolio,
    drafts: Sequence[IntentDraft],
    instruments: Mapping[str, Instrument],
    cause: Cause,
) -> tuple[list[Intent], list[Order]]:
    """Store the intents of a plan with their orders (PLANNED) and opening positions. Call it inside `locked`.

    Intents come back in the order of the drafts; `adjust_exits` makes no order. Raises IntegrityError where the
    same intent was committed before, and ValueError for a draft that needs a position the book does not hold.
    """
    if not drafts:
        return [], []
    held = portfolio.books[book.pk]
    intents = Intent.objects.bulk_create([_intent(book, draft, instruments[draft.symbol], cause) for draft in drafts])
    openings = Position.objects.bulk_create(
        [_opening(book, d, i) for d, i in zip(drafts, intents, strict=True) if d.kind == Kind.OPEN]
    )
    opened = {position.instrument_id: position.pk for position in openings}
    orders = []
    for draft, intent in zip(drafts, intents, strict=True):
        position_id = opened.get(intent.instrument_id) or _held(held.position(draft.symbol), draft).id
        if draft.kind in (Kind.ADD, Kind.ADJUST_EXITS):
            change_plan(position_id=position_id, draft=draft)
        if draft.kind != Kind.ADJUST_EXITS:
            orders += _orders(book, draft, intent, position_id, cause.at)
    return intents, Order.objects.bulk_create(orders)


def _held(position: HeldPosition | None, draft: IntentDraft) -> HeldPosition:
    if position is None:
        raise ValueError(f"There is no position in {draft.symbol} to {draft.kind}.")
    return position


def _intent(book: Book, draft: IntentDraft, instrument: Instrument, cause: Cause) -> Intent:
    return Intent(
        key=uuid5(book.key, f"{cause.source}:{cause.reference}:{draft.symbol}:{draft.kind}"),
        book=book,
        instrument=instrument,
        kind=draft.kind,
        source=cause.source,
        reference=cause.reference,
        fence=cause.fence,
        quantity=draft.quantity,
        price=draft.price,
        leverage=draft.leverage,
        stop=draft.stop,
        target=draft.target,
        reason=draft.reason[:REASON_LENGTH],
        at=cause.at,
    )


def _opening(book: Book, draft: IntentDraft, intent: Intent) -> Position:
    return Position(
        account=book.account,
        book=book,
        instrument=intent.instrument,
        intent=intent,
        long=draft.long,
        leverage=draft.leverage,
        **{name: getattr(draft, name) for name in PLAN},
    )


def _orders(book: Book, draft: IntentDraft, intent: Intent, position_id: int, at: datetime) -> list[Order]:
    """One order; several for an exit that is larger than the venue's largest order. An entry is never split."""
    if draft.enters:
        return [_order(book, draft, intent, position_id, at, draft.quantity, Role.ENTRY)]
    instrument = intent.instrument
    sizes = pieces(draft.quantity, instrument.max_quantity, instrument.step)
    names = [Role.EXIT, *(f"{Role.EXIT}:{n}" for n in range(1, len(sizes)))]
    return [_order(book, draft, intent, position_id, at, *piece) for piece in zip(sizes, names, strict=True)]


def _order(
    book: Book, draft: IntentDraft, intent: Intent, position_id: int, at: datetime, quantity: Decimal, name: str
) -> Order:
    role = Role.ENTRY if draft.enters else Role.EXIT
    return Order(
        client_id=uuid5(intent.key, name),
        intent=intent,
        account=book.account,
        book=book,
        instrument=intent.instrument,
        position_id=position_id,
        role=role,
        type=draft.order_type,
        side=draft.side,
        quantity=quantity,
        price=draft.limit,
        reduce_only=not draft.enters,
        leverage=draft.leverage,
        reserved=draft.reserved,
        at=at,
    )


def change_plan(*, position_id: int, draft: IntentDraft) -> None:
    """Change the exit plan of a position; what the draft leaves out stays. The brackets follow in the next sweep."""
    changes = {name: getattr(draft, name) for name in PLAN if getattr(draft, name) is not None}
    if changes:
        Position.objects.filter(pk=position_id).update(**changes)


def protective(
    *, position: Position, role: Role, trigger: Decimal, quantity: Decimal, replaces: int | None, at: datetime
) -> Order:
    """A stop or target row (PLANNED) for an open position. Its ids form a chain, so none is made twice.

    Raises IntegrityError where somebody else is placing the same one.
    """
    intent = position.intent
    if intent is None:
        raise ValueError(f"The position {position.pk} has no intent to hang an order on.")
    last = Order.objects.filter(intent=intent, role=role).order_by("id").last()
    seen = {order.pk for order in getattr(position, "protective", ())}
    if last is not None and not last.ended and last.pk not in seen:
        raise IntegrityError("Somebody else has placed it meanwhile.")
    return Order.objects.create(
        client_id=uuid5(last.client_id, "next") if last else uuid5(intent.key, role),
        intent=intent,
        account_id=position.account_id,
        book_id=position.book_id,
        instrument=position.instrument,
        position=position,
        role=role,
        type=OrderType(role),
        side=Side.of(-position.quantity),
        quantity=quantity,
        trigger=trigger,
        reduce_only=True,
        leverage=position.leverage,
        replaces_id=replaces,
        at=at,
    )


def send(*, account: Account, orders: Sequence[Order]) -> dict[int, Answer]:
    """Claim and send planned orders; the answers by order id, for `reports.collect` to record.

    Orders that somebody else has claimed, and entries of a superseded decision, are left alone.
    """
    venue = venue_of(account)
    answers: dict[int, Answer] = {}
    for order in orders:
        valid_until = datetime.now(UTC) + RECEIVE_WINDOW
        if (denied := barred(account, order.role)) is not None:
            answers[order.pk] = denied
        elif claim(order):
            answers[order.pk] = answer = venue.send(_request(order, valid_until))
            venue_changes.heed(account=account, order=order, answer=answer)
    return answers


def claim(order: Order) -> bool:
    """Take an order from PLANNED to SENDING; the update alone decides who may send it.

    An entry is taken only while its book's fence is the one it was decided under and nothing limits trading. The
    state is a column of the row itself and no join, so PostgreSQL looks at it again after waiting for the row.
    """
    planned = Order.objects.filter(pk=order.pk, state=OrderState.PLANNED)
    if order.role == Role.ENTRY:
        limited = TradingState.objects.limiting(account=order.account_id, book=order.book_id)
        current = Book.objects.filter(~Exists(limited), pk=order.book_id, fence=order.intent.fence)
        planned = planned.filter(book_id__in=current.values("pk"))
    return bool(planned.update(state=OrderState.SENDING, sent_at=datetime.now(UTC)))


def withhold(order: Order) -> bool:
    """Claim a planned order so that nobody sends it. False where somebody else was faster."""
    planned = Order.objects.filter(pk=order.pk, state=OrderState.PLANNED)
    return bool(planned.update(state=OrderState.SENDING, sent_at=datetime.now(UTC)))


def drop(*, orders: Sequence[Order], now: datetime) -> None:
    """End planned orders that nobody is going to send; one that is claimed at this moment is left alone."""
    planned = Order.objects.filter(pk__in=[order.pk for order in orders], state=OrderState.PLANNED)
    if orders:
        planned.update(state=OrderState.REFUSED, reason="Its position closed before it was sent.", closed_at=now)


def _request(order: Order, valid_until: datetime) -> OrderRequest:
    return OrderRequest(
        client_id=str(order.client_id),
        symbol=order.instrument.symbol,
        side=Side(order.side),
        type=OrderType(order.type),
        quantity=order.quantity,
        price=order.price,
        trigger=order.trigger,
        reduce_only=order.reduce_only,
        leverage=order.leverage,
        valid_until=valid_until,
    )


def record(
    *,
    orders: Mapping[str, Order],
    answers: Mapping[int, Answer],
    reports: Iterable[Report],
    now: datetime,
    certain: bool = True,
) -> None:
    """Write what answers and reports say of `orders` (by client id), in one statement.

    Where the venue is not `certain`, its lists may lag behind each other: the end of an order may be told first.
    """
    touched: dict[int, Order] = {}
    for order in orders.values():
        if order.pk in answers:
            _answered(order, answers[order.pk], now)
            touched[order.pk] = order
    for report in reports:
        client_id = None if not isinstance(report, Fill | OrderReport) else report.client_id
        named = orders.get(client_id or "")
        if named is not None:
            _reported(named, report)
            touched[named.pk] = named
    if not certain:
        for order in touched.values():
            _await_fills(order, now)
    update_rows(touched.values(), RECORDED)


def _await_fills(order: Order, now: datetime) -> None:
    """An order that has ended at its venue goes on here until the executions that were told of it are booked."""
    if order.ended and order.awaits_fills:
        order.state, order.closed_at = OrderState.PARTLY_FILLED, None
    elif order.state == OrderState.PARTLY_FILLED and order.filled >= order.quantity:
        order.state, order.closed_at = OrderState.FILLED, now


def _answered(order: Order, answer: Answer, now: datetime) -> None:
    match answer:
        case _ if order.ended and not order.written_off:
            return  # The reports came first and know more.
        case Confirmed(report):
            _told(order, report)
        case Denied(_, message) if order.reduce_only:
            # Nothing was sent, so nothing was refused either: it is placed anew, by another row.
            order.state, order.reason, order.closed_at = OrderState.CANCELLED, message[:REASON_LENGTH], now
        case Refused(_, message) | Denied(_, message):
            order.state, order.reason, order.closed_at = OrderState.REFUSED, message[:REASON_LENGTH], now
            order.lookup_at = None
        case Unknown(message):
            _doubted(order, message)


def _told(order: Order, report: OrderReport) -> None:
    """Take over what the venue says of an order. What was written off lives again where the venue has it."""
    order.state, order.venue_id = OrderState(report.status.value), report.venue_id
    order.told_filled = max(order.told_filled, report.filled)
    order.lookup_at = order.deadline_at = None
    order.closed_at = None if report.status.live else report.at
    order.reason = "" if report.status.live else report.reason[:REASON_LENGTH]


def _doubted(order: Order, message: str) -> None:
    """Its fate is unknown: it is looked up from now on, and blocks until it is found, or its deadline has passed."""
    wall = datetime.now(UTC)
    if order.state != OrderState.UNKNOWN:
        order.lookup_at = wall
        order.deadline_at = lookups.deadline(order.sent_at if order.state == OrderState.SENDING else None, wall)
    order.state, order.reason = OrderState.UNKNOWN, message[:REASON_LENGTH]


def _reported(order: Order, report: Report) -> None:
    if isinstance(report, Fill):
        order.filled += report.quantity
        order.filled_value += report.quantity * report.price
        if order.written_off:  # It arrived after all. Whether some of it still rests, its next report tells.
            whole = order.filled >= order.quantity
            order.state, order.reason = (OrderState.FILLED if whole else OrderState.CANCELLED), ""
    elif isinstance(report, OrderReport) and (not order.ended or order.written_off):
        _told(order, report)


def missed(*, orders: Sequence[Order], wall: datetime) -> None:
    """The venue does not know these orders now. That is not final: they are asked for again, less and less often."""
    for order in orders:
        before = order.state
        if before != OrderState.UNKNOWN:
            _doubted(order, "The venue has not answered, and does not show this order yet.")
        order.lookups += 1
        order.lookup_at = lookups.next_at(order.lookups, order.deadline_at, wall)
        _write_unless_moved(order, before, DOUBT)


def postpone(*, orders: Sequence[Order], wall: datetime) -> None:
    """A deadline has passed and the venue could not be asked: it stands again, so that no block is without one."""
    for order in orders:
        order.deadline_at = lookups.deadline(None, wall)
        _write_unless_moved(order, OrderState.UNKNOWN, ("deadline_at",))


def revive(*, order: Order, report: OrderReport) -> None:
    """An order that had ended here rests at the venue all the same: it lives again, and the guardian decides on it."""
    before = order.state
    _told(order, report)
    _write_unless_moved(order, before, TOLD)


def _write_unless_moved(order: Order, before: str, columns: Iterable[str]) -> None:
    """Asking the venue took seconds: what others have recorded of the order meanwhile is newer, and stays."""
    changes = {name: getattr(order, name) for name in columns}
    Order.objects.filter(pk=order.pk, state=before).update(**changes)
