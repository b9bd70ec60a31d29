"""How often the API may be asked: by each token or signed-in person, and by each address that is neither.

Counts live in the cache, and only there: emptied, everybody starts anew. The rates are `API_RATES` of the settings.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.exceptions import APIException, Throttled
from rest_framework.throttling import SimpleRateThrottle

from ledger.models import ApiToken

if TYPE_CHECKING:
    # The framework loads this module while it loads its own views.
    from rest_framework.request import Request
    from rest_framework.views import APIView


class TooMany(Throttled):
    """Answered with 429 and `Retry-After`; the sentence names the limit and the seconds to wait."""

    def __init__(self, rate: str, wait: float | None) -> None:
        self.wait = max(1, math.ceil(wait or 0))
        words = f"Too many requests: the limit is {rate.replace('/', ' per ')}. Ask again in {self.wait} s."
        APIException.__init__(self, words)


class Limit(SimpleRateThrottle):
    """Requests counted by `who`; None is not counted here."""

    scope: str

    def get_rate(self) -> str | None:
        return settings.API_RATES[self.scope]

    def who(self, request: Request) -> str | None:
        raise NotImplementedError

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        who = self.who(request)
        return who and f"api-rate:{self.scope}:{who}"

    def throttle_failure(self) -> bool:
        raise TooMany(str(self.rate), self.wait())


class PerClient(Limit):
    """Each token for itself, so that one script cannot starve another; people who are signed in by their name."""

    scope = "client"

    def who(self, request: Request) -> str | None:
        if isinstance(request.auth, ApiToken):
            return request.auth.digest
        return f"user-{request.user.pk}" if request.user and request.user.is_authenticated else None


class PerAddress(Limit):
    """Whoever is nobody: readers of the documentation, and tokens that do not hold."""

    scope = "address"

    def who(self, request: Request) -> str | None:
        return None if request.user and request.user.is_authenticated else self.get_ident(request)
