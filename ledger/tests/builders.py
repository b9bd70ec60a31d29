"""Rows for tests. A user is made once per name and found again; the rest is made anew.

Feeds, instruments and quotes come from `markets.tests.rows` and can be had here, too.

Every builder takes the columns of its model as keywords; what is not said is plausible and consistent.
They write rows directly: a test of a workflow uses the workflow instead.
"""

from datetime import timedelta
from decimal import Decimal
from itertools import count

from ledger.models import (
    Account,
    Alert,
    ApiToken,
    Book,
    CashEntry,
    CashKind,
    Discrepancy,
    EquityPoint,
    Intent,
    IntentKind,
    Lock,
    Order,
    OrderState,
    Position,
    PositionState,
    Role,
    Source,
    Trade,
    TradingState,
    User,
)
from ledger.tokens import digest
from markets.tests.rows import EXCHANGE, NOW, SYMBOL, TIERS, feed, instrument, quote

__all__ = [
    "EXCHANGE", "NOW", "SYMBOL", "TIERS", "account", "alert", "book", "cash_entry", "closed_position",
    "discrepancy", "equity_point",
    "feed", "instrument", "intent", "lock", "order", "position", "quote", "state", "token", "trade", "user",
]  # fmt: skip

_numbers = count(1)


def user(name="alice", **fields) -> User:
    """The user of this name; password `secret-<name>`."""
    found = User.objects.filter(username=name).first()
    return found or User.objects.create_user(name, password=f"secret-{name}", **fields)


def account(owner=None, **fields) -> Account:
    fields.setdefault("name", f"paper {next(_numbers)}")
    return Account.objects.create(owner=owner or user(), feed=fields.pop("feed", None) or feed(), **fields)


def book(owner=None, **fields) -> Book:
    """A book with 10,000 USDT, on an account of its own unless `account` is given (None: no account)."""
    owner = owner or user()
    if "account" not in fields:
        fields["account"] = account(owner)
    fields.setdefault("name", f"book {next(_numbers)}")
    return Book.objects.create(owner=owner, **{"cash": Decimal(10000), "deposited": Decimal(10000)} | fields)


def position(book_=None, **fields) -> Position:
    """An open long of 0.1 at 50,000 with stop and target, unless told otherwise."""
    book_ = book_ or book()
    quantity, price = Decimal(fields.pop("quantity", "0.1")), Decimal(fields.pop("price", "50000"))
    value = abs(quantity) * price
    defaults = {
        "state": PositionState.OPEN,
        "long": quantity >= 0,
        "quantity": quantity,
        "size": abs(quantity),
        "cost": value,
        "entry_value": value,
        "entry_quantity": abs(quantity),
        "margin": value / 2,
        "leverage": 2,
        "stop": price * Decimal("0.98"),
        "target": price * Decimal("1.05"),
        "opened_at": NOW,
        "closed_at": NOW if fields.get("state") == PositionState.CLOSED else None,
    }
    chosen = fields.pop("instrument", None) or instrument()
    return Position.objects.create(account=book_.account, book=book_, instrument=chosen, **defaults | fields)


def closed_position(book_=None, realised="100", **fields) -> Position:
    """A long of 0.1 that ran from 50,000 to flat; its exit price follows from `realised`."""
    value, realised = Decimal(5000), Decimal(realised)
    ended = {
        "state": PositionState.CLOSED,
        "long": True,
        "quantity": "0",
        "cost": Decimal(0),
        "margin": Decimal(0),
        "size": Decimal("0.1"),
        "entry_value": value,
        "entry_quantity": Decimal("0.1"),
        "exit_value": value + realised,
        "exit_quantity": Decimal("0.1"),
        "realised": realised,
        "closed_at": NOW,
        "exit_reason": "target",
    }
    return position(book_, **ended | fields)


def intent(book_=None, **fields) -> Intent:
    defaults = {
        "kind": IntentKind.OPEN,
        "source": Source.DECISION,
        "reference": f"cycle:{next(_numbers)}",
        "at": NOW,
    }
    chosen = fields.pop("instrument", None) or instrument()
    return Intent.objects.create(book=book_ or book(), instrument=chosen, **defaults | fields)


def order(book_=None, **fields) -> Order:
    """A resting entry: buy 0.1 at 50,000. In a state that is the end of an order it has ended."""
    book_ = book_ or book()
    state = fields.get("state", OrderState.OPEN)
    chosen = fields.pop("instrument", None) or instrument()
    cause = fields.pop("intent", None) or intent(book_, instrument=chosen)
    defaults = {
        "role": Role.ENTRY,
        "type": "limit",
        "side": "buy",
        "state": OrderState.OPEN,
        "quantity": Decimal("0.1"),
        "price": Decimal(50000),
        "at": NOW,
        "closed_at": None if state in OrderState.live() else NOW,
    }
    return Order.objects.create(book=book_, account=book_.account, instrument=chosen, intent=cause, **defaults | fields)


def trade(book_=None, **fields) -> Trade:
    """An execution: bought 0.1 at 50,000, fee 2.5."""
    book_ = book_ or book()
    quantity, price = Decimal(fields.pop("quantity", "0.1")), Decimal(fields.pop("price", "50000"))
    defaults = {
        "venue_trade_id": str(next(_numbers)),
        "side": "buy",
        "fee": Decimal("2.5"),
        "fee_currency": "USDT",
        "at": NOW,
    }
    chosen = fields.pop("instrument", None) or instrument()
    return Trade.objects.create(
        book=book_, account=book_.account, instrument=chosen,
        quantity=quantity, price=price, value=quantity * price, **defaults | fields
    )  # fmt: skip


def cash_entry(book_=None, amount="10000", **fields) -> CashEntry:
    book_ = book_ or book()
    defaults = {"kind": CashKind.DEPOSIT, "currency": book_.currency, "ref": str(next(_numbers)), "at": NOW}
    return CashEntry.objects.create(book=book_, account=book_.account, amount=Decimal(amount), **defaults | fields)


def equity_point(book_=None, equity="10000", at=NOW, **fields) -> EquityPoint:
    defaults = {"cash": Decimal(equity), "exposure": Decimal(0)}
    return EquityPoint.objects.create(book=book_ or book(), equity=Decimal(equity), at=at, **defaults | fields)


def state(scope="system", state="active", **fields) -> TradingState:
    defaults = {"reason": "for a test", "at": NOW}
    return TradingState.objects.create(scope=scope, state=state, **defaults | fields)


def alert(book_=None, **fields) -> Alert:
    """A warning about a book that is open."""
    book_ = book_ or book()
    number = next(_numbers)
    defaults = {"kind": "lock", "severity": "warning", "sentence": "Something is wrong.", "opened_at": NOW}
    return Alert.objects.create(
        owner=book_.owner, book=book_, account=book_.account, key=f"test:{number}", **defaults | fields
    )


def discrepancy(account_=None, **fields) -> Discrepancy:
    """A wallet that differs, still open."""
    defaults = {"what": "wallet", "ledger": "100", "venue": "97", "found_at": NOW, "seen_at": NOW}
    return Discrepancy.objects.create(account=account_ or account(), **defaults | fields)


def lock(book_=None, **fields) -> Lock:
    """A loss streak that locks everything for an hour."""
    defaults = {"kind": "loss_streak", "reason": "3 losses in a row.", "at": NOW, "until": NOW + timedelta(hours=1)}
    return Lock.objects.create(book=book_ or book(), **defaults | fields)


def token(owner=None, text="t" * 43, **fields) -> ApiToken:
    """A token whose text is known to the test."""
    return ApiToken.objects.create(user=owner or user(), digest=digest(text), prefix=text[:8], **fields)
