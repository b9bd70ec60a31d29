"""API tokens: made once, kept as a digest, and checked at each request.

The token itself is never stored, so nobody can read it again. A token can do no more than its scope says; a
person who is signed in may do everything with what is theirs.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission

from ledger import audit
from ledger.models import ApiToken, AuditKind, Scope, User

if TYPE_CHECKING:
    # The framework loads this module while it loads its own views.
    from rest_framework.request import Request
    from rest_framework.views import APIView

KEYWORD = "Token"
SECRET_BYTES = 32
# Being used is worth one write a minute, not one per request.
SEEN_EVERY = timedelta(minutes=1)


def issue(*, user: User, scope: str, name: str, now: datetime, expires_in: timedelta | None = None) -> str:
    """A new token as text, to be shown once. Raises ValueError with one sentence on an impossible request."""
    if scope not in Scope.values:
        raise ValueError(f"There is no scope {scope!r}; choose one of {', '.join(Scope.values)}.")
    if expires_in is not None and expires_in <= timedelta():
        raise ValueError("A token must expire in the future.")
    if len(name) > 80:
        raise ValueError("The name of a token has at most 80 characters.")
    # The prefix is not part of the secret, so showing it in lists costs nothing.
    prefix = secrets.token_hex(4)
    text = prefix + secrets.token_urlsafe(SECRET_BYTES)
    expires_at = now + expires_in if expires_in is not None else None
    with transaction.atomic():
        ApiToken.objects.create(
            user=user, name=name, scope=scope, prefix=prefix, digest=digest(text), expires_at=expires_at
        )
        told = {"made": prefix, "scope": scope, "name": name}
        audit.write(kind=AuditKind.KEYS, subject=f"token of {user.get_username()}", change=told, by=user, now=now)
    return text


def digest(text: str) -> str:
    """SHA-256 in hex. A slow hash would add nothing to 256 random bits."""
    return hashlib.sha256(text.encode()).hexdigest()


def find(*, text: str, now: datetime) -> ApiToken:
    """The valid token of this text with its user, in one query. Raises AuthenticationFailed in words.

    The look-up goes by digest, so its duration tells nothing about a token that exists.
    """
    token = ApiToken.objects.select_related("user").filter(digest=digest(text)).first()
    if token is None:
        raise AuthenticationFailed("This token is unknown; it may have been deleted.")
    if token.expires_at is not None and token.expires_at <= now:
        raise AuthenticationFailed(f"This token expired on {token.expires_at:%Y-%m-%d at %H:%M} UTC.")
    if not token.user.is_active:
        raise AuthenticationFailed("The user of this token may no longer sign in.")
    return token


def seen(*, token: ApiToken, now: datetime) -> None:
    """Notes that the token was used, at most once a minute even with many requests at once."""
    before = now - SEEN_EVERY
    if token.last_used_at is not None and token.last_used_at > before:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=before)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Token …`. Other kinds of credentials are left to others."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != KEYWORD.lower().encode():
            return None
        if len(words) != 2 or not words[1].isascii():
            raise AuthenticationFailed("The header must be `Authorization: Token`, one space and the token.")
        now = timezone.now()
        token = find(text=words[1].decode("ascii"), now=now)
        seen(token=token, now=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return KEYWORD


class HasScope(BasePermission):
    """Reading needs `read`; writing needs the view's `write_scope`, which is `trade` if it names none."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not request.user or not request.user.is_authenticated:
            return False
        # Where nothing answers to a method, "not allowed" is the better answer than a missing scope.
        reads = request.method in SAFE_METHODS or request.method not in view.allowed_methods
        needed = Scope.READ if reads else getattr(view, "write_scope", Scope.TRADE)
        auth: Any = request.auth
        if holds(auth, needed):
            return True
        raise PermissionDenied(f"This token has the scope {auth.scope}; this needs {needed.value}.")


def holds(auth: Any, needed: Scope) -> bool:
    """Whether these credentials reach `needed`; a session (no token) reaches every scope."""
    if not isinstance(auth, ApiToken):
        return True
    ranks = Scope.values
    return auth.scope in ranks and ranks.index(auth.scope) >= ranks.index(needed)
