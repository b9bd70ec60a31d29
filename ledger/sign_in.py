"""One-time links that sign a user in, and the request of somebody who is.

A link ends with its first use, or when Django's reset time-out has passed.
"""

from django.contrib.auth.tokens import default_token_generator
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django_htmx.middleware import HtmxDetails

from .models import User


class Request(HttpRequest):
    """A request as views see it behind the middleware and `login_required`."""

    user: User
    htmx: HtmxDetails


def link_for(user: User) -> str:
    """The path of a link that signs `user` in once."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    return reverse("sign-in-link", args=[uid, default_token_generator.make_token(user)])


def user_of(uidb64: str, token: str) -> User | None:
    """Whom a link signs in; None where it was used, is too old or was never given out."""
    user = named_by(uidb64)
    if user is None or not user.is_active or not default_token_generator.check_token(user, token):
        return None
    return user


def named_by(uidb64: str) -> User | None:
    """Whom a link speaks of, whether or not it still holds."""
    try:
        return User.objects.filter(pk=int(urlsafe_base64_decode(uidb64))).first()
    except (ValueError, OverflowError):
        return None
