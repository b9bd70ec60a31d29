"""Moves limit entries that wait after the market: cancelled first, then placed anew for the same quantity.

Only on feeds on the wall clock, where nobody took any of it, and only as far and as often as `domain.repricing` says.
It is placed through the same door as every order, and not where its book or account has no room left for it.
"""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError
from django.db.models import Q

from markets.domain.rounding import round_cash_up
from markets.models import Feed, Quote

from . import ordering, protection, reports
from .domain import repricing as rules
from .domain.intents import IntentDraft, Kind
from .domain.portfolio import AccountPortfolio
from .gateway import muted
from .guardian import one_account
from .models import Account, Order, OrderState, Position, Role, Source, TradingState
from .ordering import Cause
from .valuation import account_portfolio

PREFIX = "reprice"


def sweep(*, feed: Feed, now: datetime, but: Collection[int] = ()) -> int:
    """Move what has waited too long on a feed, but for these accounts; returns how many orders were placed anew."""
    return _sweep(Q(account__feed=feed) & ~Q(account__in=but), now)


def sweep_account(*, account: Account, now: datetime) -> int:
    """The same for one account."""
    return _sweep(Q(account=account), now)


def _sweep(of: Q, now: datetime) -> int:
    waiting = Order.objects.live().filter(
        of, role=Role.ENTRY, type="limit", state=OrderState.OPEN, filled=0, told_filled=0, intent__kind=Kind.OPEN,
        at__lte=now - rules.AFTER,
    )  # fmt: skip
    moved = 0
    for order in waiting.select_related("account__feed", "book", "instrument", "intent", "position").order_by("id"):
        with one_account(order.account):
            moved += _moved(order, now)
    return moved


def _moved(order: Order, now: datetime) -> bool:
    price = None if muted(order.account) or _times(order) >= rules.MOST else _price(order)
    if price is None or _limited(order):
        return False
    reports.cancel(account=order.account, orders=[order], now=now)
    order.refresh_from_db()
    if order.state != OrderState.CANCELLED or order.filled or order.awaits_fills:
        return False  # somebody took it, or nothing is known yet
    placed = _placed(order, _draft(order, price), now)
    if placed:
        answers = ordering.send(account=order.account, orders=placed)
        if reports.collect(account=order.account, now=now, answers=answers):
            protection.cover(account=order.account, now=now)
    return bool(placed)


def _times(order: Order) -> int:
    """How often it was moved before."""
    name, _, rest = order.intent.reference.partition(":")
    return int(rest.partition(":")[0]) if name == PREFIX else 0


def _price(order: Order) -> Decimal | None:
    quote = Quote.objects.filter(feed=order.account.feed_id, instrument=order.instrument_id).first()
    if quote is None or order.price is None or order.intent.price is None:
        return None
    return rules.repriced(
        long=order.side == "buy",
        limit=order.price,
        judged_at=order.intent.price,
        mark=quote.mark,
        rules=order.instrument.rules,
    )


def _limited(order: Order) -> bool:
    return TradingState.objects.limiting(account=order.account_id, book=order.book_id).exists()


def _draft(order: Order, price: Decimal) -> IntentDraft:
    plan = order.position
    assert plan is not None
    assert order.price is not None
    return IntentDraft(
        kind=Kind.OPEN, symbol=order.instrument.symbol, long=order.side == "buy", quantity=order.quantity,
        price=order.intent.price or price, leverage=order.leverage, limit=price,
        reserved=round_cash_up(order.reserved * max(price / order.price, Decimal(1))), stop=plan.stop,
        target=plan.target, trail=plan.trail, expires_at=plan.expires_at, reason=f"Moved from {order.price} to {price}",
    )  # fmt: skip


def _placed(order: Order, draft: IntentDraft, now: datetime) -> list[Order]:
    """Commit it where there is room; nothing where there is none, or somebody else has done it."""
    book = order.book
    book.refresh_from_db()
    book.account = order.account
    cause = Cause(Source.GUARDIAN, f"{PREFIX}:{_times(order) + 1}:{order.pk}", now, book.fence)
    try:
        with ordering.locked(book=book, seen=account_portfolio(account=order.account), cause=cause) as portfolio:
            if not _room(portfolio, book.pk, draft):
                return []
            instruments = {draft.symbol: order.instrument}
            intents, orders = ordering.commit(
                book=book, portfolio=portfolio, drafts=[draft], instruments=instruments, cause=cause
            )
            # The position goes on belonging to what was decided: its invalidation hangs there.
            assert order.position is not None
            Position.objects.filter(intent=intents[0]).update(intent=order.position.intent_id)
            return orders
    except IntegrityError:
        return []


def _room(portfolio: AccountPortfolio, book: int, draft: IntentDraft) -> bool:
    """Whether the cash is still free, the instrument too, and the account's own limit holds with it."""
    own = portfolio.books[book]
    if own.available < draft.reserved or draft.symbol in own.blocked or draft.symbol in own.occupied:
        return False
    if portfolio.max_exposure is None:
        return True
    assert draft.limit is not None
    return portfolio.exposure + draft.quantity * draft.limit <= portfolio.max_exposure * portfolio.equity
