"""The only writer of trades, positions and cash. It books what a venue reported, once, in the caller's transaction.

`ledger.reports` opens that transaction and moves the account's cursor in it, so each report is booked once; a
trade id that came twice all the same is refused by the database, and the batch with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F

from markets.domain.orders import Fill, Income, VenuePosition
from markets.domain.rounding import ZERO, round_cash
from markets.exchanges.base import Unanswered
from markets.models import Instrument
from markets.updates import update_rows

from .domain.enforcement import exit_reason
from .domain.positions import Figures, after_fill
from .models import (
    Account,
    Book,
    BookKind,
    CashEntry,
    CashKind,
    Order,
    OrderState,
    Position,
    PositionState,
    Role,
    Trade,
)

FIGURES = tuple(Figures.__dataclass_fields__)
PAID_IN = (CashKind.DEPOSIT, CashKind.WITHDRAWAL, CashKind.TRANSFER)  # no gain, no loss: the base of the return
DUST = "dust"  # the end of a position whose remainder is too small to close
REFUSED = "refused"  # the end of a position whose entry the venue refused
POSITION_FIELDS = (
    *FIGURES,
    "leverage",
    "funding",
    "state",
    "long",
    "opened_at",
    "closed_at",
    "exit_reason",
    "peak",
    "trough",
    "unprotected_since",
)


def post(*, book: Book, kind: str, amount: Decimal, ref: str, at: datetime) -> CashEntry:
    """One journal entry that no trade made: a deposit, a transfer, a model's cost. The caller holds the transaction."""
    fresh = Book.objects.select_for_update().get(pk=book.pk)
    paid_in = amount if kind in PAID_IN else ZERO
    book.cash, book.deposited = fresh.cash + amount, fresh.deposited + paid_in
    book.save(update_fields=["cash", "deposited"])
    return CashEntry.objects.create(
        account_id=book.account_id, book=book, kind=kind, currency=book.currency, amount=amount, ref=ref, at=at
    )


def take_over(*, book: Book, positions: Iterable[VenuePosition], at: datetime) -> None:
    """Positions that a live account held before its books began, as its venue tells them. Nobody's, so unmanaged.

    Raises Unanswered for one in an instrument that is not known here.
    """
    account = book.account
    assert account is not None
    instruments = {i.symbol: i for i in Instrument.objects.filter(exchange=account.feed.exchange)}
    for held in positions:
        if held.symbol not in instruments:
            raise Unanswered(f"The account holds {held.symbol}, whose rules are not known here.")
        _keep(book, instruments[held.symbol].pk, held, at)


@transaction.atomic
def set_aside(*, position: Position, at: datetime) -> None:
    """End a position whose remainder the venue refuses to close, and keep the remainder apart.

    What it made is final; the dust is the unassigned book's, with its cost and margin, and nobody manages it.
    """
    held = Position.objects.select_for_update().select_related("account").get(pk=position.pk)
    if held.state != PositionState.OPEN:
        return
    rest = VenuePosition("", held.quantity, held.cost, held.margin, held.leverage)
    ended = {"quantity": ZERO, "cost": ZERO, "margin": ZERO, "exit_reason": DUST, "unprotected_since": None}
    Position.objects.filter(pk=held.pk).update(state=PositionState.CLOSED, closed_at=at, **ended)
    _keep(held.account.books.get(kind=BookKind.UNASSIGNED), held.instrument_id, rest, at)
    Account.objects.filter(pk=held.account_id).update(revision=F("revision") + 1)


def _keep(book: Book, instrument_id: int, held: VenuePosition, at: datetime) -> None:
    account, size = book.account, abs(held.quantity)
    assert account is not None
    Position.objects.create(
        account=account, book=book, instrument_id=instrument_id, state=PositionState.OPEN,
        long=held.quantity > 0, quantity=held.quantity, size=size, cost=held.cost, entry_value=held.cost,
        entry_quantity=size, margin=held.margin, leverage=held.leverage, opened_at=at,
    )  # fmt: skip


def align(*, account: Account, wallet: Decimal, ref: str, at: datetime) -> Decimal:
    """Book the difference to the venue's wallet, which a person has accepted; returns it. In a transaction."""
    book = account.books.select_for_update().get(kind=BookKind.UNASSIGNED)
    entries = CashEntry.objects.filter(account=account, currency=account.currency)
    difference = wallet - sum(entries.values_list("amount", flat=True), ZERO)
    if difference:
        post(book=book, kind=CashKind.ADJUSTMENT, amount=difference, ref=ref, at=at)
    return difference


def align_position(*, account: Account, instrument: Instrument, held: VenuePosition | None, at: datetime) -> None:
    """Bring a position to what the venue holds, which a person has accepted. No trade explains it, and none is made up.

    What is not there any more closes without a result; what nobody knew of is the unassigned book's.
    """
    ours = Position.objects.select_for_update().filter(account=account, instrument=instrument, state="open").first()
    if held is None or (ours is not None and ours.quantity * held.quantity < 0):
        if ours is not None:
            ended = {"quantity": ZERO, "cost": ZERO, "margin": ZERO, "exit_reason": "accepted by hand"}
            Position.objects.filter(pk=ours.pk).update(state=PositionState.CLOSED, closed_at=at, **ended)
        ours = None
    if held is not None and ours is None:
        take_over(book=account.books.get(kind=BookKind.UNASSIGNED), positions=[held], at=at)
    elif held is not None and ours is not None:
        figures = {"quantity": held.quantity, "cost": held.cost, "margin": held.margin, "leverage": held.leverage}
        Position.objects.filter(pk=ours.pk).update(**figures, size=max(ours.size, abs(held.quantity)))


def follow_margins(*, account: Account, positions: Iterable[VenuePosition]) -> None:
    """Margin and leverage of a live position are the venue's to say: sizing goes by the real ones."""
    by_symbol = {held.symbol: held for held in positions}
    changed = []
    for position in Position.objects.open().filter(account=account).select_related("instrument"):
        held = by_symbol.get(position.instrument.symbol)
        if held is None or held.quantity != position.quantity:
            continue
        if (held.margin, held.leverage) != (position.margin, position.leverage):
            position.margin, position.leverage = held.margin, held.leverage
            changed.append(position)
    update_rows(changed, ["margin", "leverage"])


@dataclass(slots=True)
class Batch:
    """Everything that one batch of reports touches, loaded once, with the rows it is going to write."""

    account: Account
    orders: Mapping[str, Order]
    positions: dict[int, Position]
    books: dict[int, Book]
    instruments: Mapping[str, Instrument]
    trades: list[Trade] = field(default_factory=list)
    entries: list[CashEntry] = field(default_factory=list)
    rates: Mapping[str, Decimal] = field(default_factory=dict)  # prices of other currencies in the account's own
    changed: list[Position] = field(default_factory=list)

    def unassigned(self) -> Book:
        return next(book for book in self.books.values() if book.kind == BookKind.UNASSIGNED)


def book_fill(batch: Batch, fill: Fill) -> Trade:
    """Trade, position and cash of one fill, prepared in memory; `write` stores the batch."""
    instrument = batch.instruments[fill.symbol]
    order = batch.orders.get(fill.client_id or "")
    position = batch.positions.get(instrument.pk)
    book = batch.books[position.book_id if position else order.book_id if order else batch.unassigned().pk]
    position = position or _unplanned(batch, book, instrument, fill, order)
    realised_before = position.realised
    # What a fee in another currency was worth counts in the position; where no price is known it counts for nothing.
    own, rate = fill.fee_currency == book.currency, batch.rates.get(fill.fee_currency)
    begun = _move(position, fill if own else replace(fill, fee=round_cash(fill.fee * (rate or 0))), order)
    trade = Trade(
        account=batch.account,
        book=book,
        instrument=instrument,
        order=order,
        position=position,
        venue_trade_id=fill.trade_id,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        value=round_cash(fill.quantity * fill.price),
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        realised=position.realised - realised_before,
        maker=fill.maker,
        liquidation=fill.liquidation,
        at=fill.at,
    )
    batch.trades.append(trade)
    _note(batch, position)
    if begun is not None:
        _begin(batch, position, begun, fill, order)
    ref = f"trade:{instrument.pk}:{fill.trade_id}"
    _enter(batch, book, CashKind.REALISED, trade.realised, ref, fill.at, position, trade)
    _enter(batch, book, CashKind.FEE, -fill.fee, ref, fill.at, position, trade, fill.fee_currency, rate)
    return trade


def book_income(batch: Batch, income: Income) -> None:
    """Cash that moved without a trade: funding, what a liquidation took or gave back, transfers, settlement.

    What belongs to no instrument, or to one in which nothing was held, is the unassigned book's.
    """
    instrument = batch.instruments.get(income.symbol)
    position = None
    if instrument is not None:
        position = batch.positions.get(instrument.pk)
        if position is None or (position.opened_at is not None and income.at < position.opened_at):
            position = _just_closed(batch, instrument) or position  # told late: it is of the one before
    book = batch.books[position.book_id] if position else batch.unassigned()
    kind = CashKind.of(income.kind)
    own = income.currency in ("", book.currency)
    if position is not None and own and kind == CashKind.FUNDING:
        position.funding += income.amount
        # Told late, or over a margin that is only estimated here: never below nothing. The venue's own figure follows.
        position.margin = max(position.margin - income.from_margin, ZERO)
    elif position is not None and own:
        position.realised += income.amount
    elif own and kind in PAID_IN:
        book.deposited += income.amount
    if position is not None:
        _note(batch, position)
    rate = None if own else batch.rates.get(income.currency)
    _enter(batch, book, kind, income.amount, income.income_id, income.at, position, None, income.currency, rate)


def write(batch: Batch) -> None:
    """Store the batch: one statement for each kind of row. The caller holds the transaction."""
    update_rows([position for position in batch.changed if position.pk is not None], POSITION_FIELDS)
    for position in batch.changed:
        if position.pk is None:
            position.save(force_insert=True)
    if batch.trades:
        Trade.objects.bulk_create(batch.trades)
    if batch.entries:
        CashEntry.objects.bulk_create(batch.entries)
        touched = {entry.book_id for entry in batch.entries}
        paid_in = any(entry.kind in PAID_IN for entry in batch.entries)
        update_rows([batch.books[pk] for pk in touched], ["cash", "deposited"] if paid_in else ["cash"])


def release_openings(entries: Sequence[Order], at: datetime) -> None:
    """Close the positions that were opening for these entries, which are known never to fill."""
    positions = []
    for order in entries:
        assert order.position is not None
        order.position.state, order.position.closed_at = PositionState.CLOSED, at
        order.position.exit_reason = REFUSED if order.state == OrderState.REFUSED else "not filled"
        positions.append(order.position)
    update_rows(positions, ["state", "closed_at", "exit_reason"])


def _enter(
    batch: Batch,
    book: Book,
    kind: str,
    amount: Decimal,
    ref: str,
    at: datetime,
    position: Position | None,
    trade: Trade | None,
    currency: str = "",
    rate: Decimal | None = None,
) -> None:
    """One entry. Only one in the book's own currency moves its cash; another one keeps the rate it was worth."""
    if not amount:
        return
    own = currency in ("", book.currency)
    batch.entries.append(
        CashEntry(
            account=batch.account,
            book=book,
            kind=kind,
            currency=book.currency if own else currency,
            amount=amount,
            rate=None if own else rate,
            ref=ref,
            position=position,
            trade=trade,
            at=at,
        )
    )
    if own:
        book.cash += amount


def _move(position: Position, fill: Fill, order: Order | None) -> Figures | None:
    """Change the position in place by a fill; the figures of the position begun beyond flat, if any."""
    before = Figures(**{name: getattr(position, name) for name in FIGURES})
    position.leverage = fill.leverage or (order.leverage if order and order.role == Role.ENTRY else position.leverage)
    after, begun = after_fill(before, fill, position.leverage)
    for name in FIGURES:
        setattr(position, name, getattr(after, name))
    if position.opened_at is None:
        position.opened_at, position.peak, position.trough = fill.at, fill.price, fill.price
        position.unprotected_since = fill.at
    if after.quantity:
        position.state = PositionState.OPEN
    else:
        position.state, position.closed_at = PositionState.CLOSED, fill.at
        position.exit_reason = fill.forced or ("liquidation" if fill.liquidation else _why(order))
    return begun


def _why(order: Order | None) -> str:
    if order is None:
        return exit_reason(role=None, source="")
    return exit_reason(role=order.role, source=order.intent.get_source_display())


def _unplanned(batch: Batch, book: Book, instrument: Instrument, fill: Fill, order: Order | None) -> Position:
    """A position that no plan of its own opened: made elsewhere, or by an order that outlived its position.

    An order of ours hands its position's plan on, so that the guardian covers or closes what it opened.
    """
    position = Position(account=batch.account, book=book, instrument=instrument, long=fill.side.sign > 0)
    if order is not None:
        _hand_on(position, order)
    batch.positions[instrument.pk] = position
    return position


def _hand_on(position: Position, order: Order) -> None:
    """The plan of an order's own position becomes that of a position which the order has opened after all."""
    position.intent = order.intent
    if order.position is not None:
        for name in ("stop", "expires_at") if order.reduce_only else ("stop", "target", "trail", "expires_at"):
            setattr(position, name, getattr(order.position, name))


def _begin(batch: Batch, ended: Position, begun: Figures, fill: Fill, order: Order | None) -> None:
    position = Position(
        account=batch.account,
        book=ended.book,
        instrument=ended.instrument,
        long=begun.quantity > 0,
        state=PositionState.OPEN,
        leverage=ended.leverage,
        opened_at=fill.at,
        peak=fill.price,
        trough=fill.price,
        unprotected_since=fill.at,
        **{name: getattr(begun, name) for name in FIGURES},
    )
    if order is not None:
        _hand_on(position, order)
    batch.positions[ended.instrument_id] = position
    _note(batch, position)


def _just_closed(batch: Batch, instrument: Instrument) -> Position | None:
    here = next((p for p in reversed(batch.changed) if p.instrument_id == instrument.pk), None)
    if here is not None:
        return here
    return Position.objects.closed().filter(account=batch.account, instrument=instrument).order_by("id").last()


def _note(batch: Batch, position: Position) -> None:
    if position not in batch.changed:
        batch.changed.append(position)
    if position.state == PositionState.CLOSED:
        batch.positions.pop(position.instrument_id, None)
