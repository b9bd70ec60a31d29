"""What a person decides about what is not ours: adopt a position or an order, or accept the venue's figures.

Nothing foreign is managed before that. Both are audited, and what cannot be done is said in one sentence.
"""

from datetime import datetime
from decimal import Decimal
from uuid import uuid5

from django.db import transaction
from django.db.models import F

from markets import broadcast
from markets.domain.splitting import MOST, pieces

from . import audit, booking, discrepancies
from .models import (
    Account,
    AuditKind,
    Book,
    BookKind,
    CashKind,
    Discrepancy,
    Intent,
    IntentKind,
    Outcome,
    Position,
    PositionState,
    Source,
    User,
)
from .valuation import marked


class NotAdopted(Exception):
    """It cannot be done; the message says why."""


@transaction.atomic
def adopt(
    *, position: Position, book: Book, stop: Decimal, by: User, wall: datetime, target: Decimal | None = None
) -> None:
    """Give an open position that nobody manages to a bot's book, with a stop: the guardian covers it from then on.

    Its margin goes with it, so that the book can carry it. Raises NotAdopted.
    """
    Account.objects.select_for_update().get(pk=position.account_id)
    held = marked(Position.objects.filter(pk=position.pk)).select_related("book", "instrument").get()
    _check(held, book, stop, target)
    moved = min(held.margin, held.book.cash)
    if moved > 0:
        ref = f"adopted:{held.pk}"
        booking.post(book=held.book, kind=CashKind.TRANSFER, amount=-moved, ref=ref, at=wall)
        booking.post(book=book, kind=CashKind.TRANSFER, amount=moved, ref=ref, at=wall)
    intent = Intent.objects.create(
        key=uuid5(book.key, f"adopted:{held.pk}"), book=book, instrument=held.instrument, kind=IntentKind.OPEN,
        source=Source.PERSON, reference=f"adopted:{held.pk}", quantity=abs(held.quantity), price=held.entry_price,
        leverage=held.leverage, stop=stop, target=target, reason=f"Adopted by {by.get_username()}", at=wall,
    )  # fmt: skip
    plan = {"stop": stop, "target": target, "unprotected_since": wall}
    Position.objects.filter(pk=held.pk).update(book=book, intent=intent, **plan)
    Account.objects.filter(pk=position.account_id).update(revision=F("revision") + 1)
    change = {"adopted": held.instrument.symbol, "quantity": held.quantity, "stop": stop, "target": target}
    audit.write(kind=AuditKind.ORDER, subject=f"book:{book.pk}", change=change, by=by, now=wall)
    broadcast.announce(f"book-{book.pk}", kind="trade", book=book.pk)


def _check(position: Position, book: Book, stop: Decimal, target: Decimal | None) -> None:
    if position.state != PositionState.OPEN or position.book.kind != BookKind.UNASSIGNED:
        raise NotAdopted("Only an open position of the unassigned book can be adopted.")
    if book.account_id != position.account_id or book.kind != BookKind.BOT:
        raise NotAdopted(f"{book.name} is no bot's book on the same account.")
    if position.mark is None:  # type: ignore[attr-defined]
        raise NotAdopted(
            f"There is no price of {position.instrument.symbol} on this feed, so its stop cannot be checked."
        )
    instrument, size, largest = position.instrument, abs(position.quantity), position.instrument.max_quantity
    if largest is not None and sum(pieces(size, largest, instrument.step)) < size:
        most = f"{instrument.symbol} takes no order above {largest.normalize():f}"
        raise NotAdopted(f"{most}, and a stop of {MOST} of them does not cover all of it: it would be closed at once.")
    if why := unfit_prices(position, stop=stop, target=target):
        raise NotAdopted(why)


def unfit_prices(position: Position, *, stop: Decimal | None = None, target: Decimal | None = None) -> str:
    """Why a marked position cannot have this stop or target, in one sentence; or nothing."""
    mark: Decimal = position.mark  # type: ignore[attr-defined]
    side, tick = "below" if position.long else "above", position.instrument.tick
    if stop is not None and (stop <= 0 or (stop >= mark if position.long else stop <= mark)):
        return f"The stop of a {position.direction} position must be {side} the price, which is {mark}."
    if target is not None and (target <= mark if position.long else target >= mark):
        return f"The target of a {position.direction} position must be beyond the price, which is {mark}."
    if any(price is not None and price % tick for price in (stop, target)):
        return f"Prices of {position.instrument.symbol} are multiples of {tick.normalize():f}."
    return ""


def adopt_order(*, row: Discrepancy, by: User, wall: datetime) -> None:
    """Take over somebody else's stop or target: the guardian does it at its next rounds (`taking_over`).

    Raises NotAdopted for what is over, ours, no order, or asked for already.
    """
    if row.resolved_at is not None or row.outcome != Outcome.FOREIGN or not row.what.startswith("order "):
        raise NotAdopted("Only an order that is not ours, and still rests, can be adopted.")
    if row.by_id is not None:
        raise NotAdopted("This order is being taken over already.")
    with transaction.atomic():
        discrepancies.answer(row=row, done=f"{by.get_username()} adopts it; it is being taken over.", by=by)
        Account.objects.filter(pk=row.account_id).update(compare_asked_at=wall)
        change = {"adopted": row.what, "order": row.venue}
        audit.write(kind=AuditKind.ORDER, subject=f"account:{row.account_id}", change=change, by=by, now=wall)


def accept(*, row: Discrepancy, by: User, wall: datetime) -> None:
    """Let the venue's figures stand where nothing can be imported; the next comparison books the difference.

    Raises NotAdopted for what is over, not ours, or not a matter of figures.
    """
    if row.resolved_at is not None or row.outcome != Outcome.OPEN:
        raise NotAdopted("This difference is over already, or it is not ours.")
    if row.account.certain:
        raise NotAdopted("A paper account must agree to the last unit: a difference there is a fault to be reported.")
    if row.what != "wallet" and not row.what.startswith("position in "):
        raise NotAdopted("Only the wallet and positions can be accepted; orders are looked up.")
    with transaction.atomic():
        Discrepancy.objects.filter(pk=row.pk).update(by=by, done=f"{by.get_username()} accepts the venue's figures.")
        Account.objects.filter(pk=row.account_id).update(compare_asked_at=wall)
        change = {"accepted": str(row)}
        audit.write(kind=AuditKind.ORDER, subject=f"account:{row.account_id}", change=change, by=by, now=wall)
