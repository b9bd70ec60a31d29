"""The control room's view of owners, money and history. States change here by workflows; history never."""

from . import accounts, history, people, watching
from .accounts import AccountAdmin, BookAdmin
from .auditing import Audited
from .ownership import Own, Owned, own

__all__ = [
    "AccountAdmin",
    "Audited",
    "BookAdmin",
    "Own",
    "Owned",
    "accounts",
    "history",
    "own",
    "people",
    "watching",
]
