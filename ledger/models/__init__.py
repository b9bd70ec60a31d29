"""The tables of the ledger app, one module per aggregate."""

from .accounts import Account, AccountKind, Book, BookKind
from .alerts import Alert, AlertKind, Severity
from .audit import AuditEntry, AuditKind
from .cash import CashEntry, CashKind
from .discrepancies import Discrepancy, Outcome
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
    "Alert",
    "AlertKind",
    "ApiToken",
    "AuditEntry",
    "AuditKind",
    "Book",
    "BookKind",
    "CashEntry",
    "CashKind",
    "Discrepancy",
    "EquityPoint",
    "Heartbeat",
    "Intent",
    "IntentKind",
    "Lock",
    "LockKind",
    "Order",
    "OrderState",
    "Outcome",
    "Position",
    "PositionState",
    "Role",
    "Scope",
    "Severity",
    "Source",
    "Trade",
    "TradingState",
    "TradingStateKind",
    "User",
]
