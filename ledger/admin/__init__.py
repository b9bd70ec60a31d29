"""The control room's view of owners, money and history. States change here by workflows; history never."""

from . import accounts, history, people, watching
from .accounts import AccountAdmin, BookAdmin
from .ownership import Own, Owned, own

__all__ = ["AccountAdmin", "BookAdmin", "Own", "Owned", "accounts", "history", "own", "people", "watching"]
