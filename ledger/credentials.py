"""Secrets at rest: sealed with the first of CREDENTIALS_KEYS, opened with any of them.

A sealed text is worth nothing without the keys, and the keys are never in the database. Nothing here logs.
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

SHOWN = 4


class Unreadable(Exception):
    """A sealed secret that none of the keys opens; the message is for people."""


def seal(secret: str) -> str:
    """The secret as text that may be stored."""
    return _keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret again. Raises Unreadable."""
    try:
        return _keys().decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable("CREDENTIALS_KEYS does not hold the key that this secret was stored with.") from None


def resealed(sealed: str) -> str:
    """The same secret under the newest key. Raises Unreadable."""
    try:
        return _keys().rotate(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable("CREDENTIALS_KEYS does not hold the key that this secret was stored with.") from None


def masked(secret: str) -> str:
    """What may be shown of a secret: its last characters, and those only of a long one."""
    return f"…{secret[-SHOWN:]}" if len(secret) >= 5 * SHOWN else "…"


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.CREDENTIALS_KEYS])
