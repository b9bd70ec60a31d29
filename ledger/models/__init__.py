"""The tables of the ledger app, one module per aggregate."""

from .accounts import Account, AccountKind, Book, BookKind
from .audit import AuditEntry, AuditKind
from .cash import CashEntry, CashKind
from .equity import EquityPoint
from .heartbeats import Heartbeat
from .intents import Intent, IntentKind, Source
from .locks import Lock, LockKind
from .orders import Order, OrderState, Role
from .positions import Position, PositionState
from .states import TradingState, TradingStateKind
from .tokens import ApiToken, Scope
from .trades import Trade
from .users import User

__all__ = [
    "Account",
    "AccountKind",
    "ApiToken",
    "AuditEntry",
    "AuditKind",
    "Book",
    "BookKind",
    "CashEntry",
    "CashKind",
    "EquityPoint",
    "Heartbeat",
    "Intent",
    "IntentKind",
    "Lock",
    "LockKind",
    "Order",
    "OrderState",
    "Position",
    "PositionState",
    "Role",
    "Scope",
    "Source",
    "Trade",
    "TradingState",
    "TradingStateKind",
    "User",
]
