"""Which venue serves an account. The one place that turns an account into something that takes orders."""

from markets.exchanges.base import Venue
from markets.exchanges.paper import PaperVenue

from .models import Account, AccountKind


class NoVenue(Exception):
    """The account cannot trade here; the message says why in one sentence."""


def venue_of(account: Account) -> Venue:
    """The venue of an account. Raises NoVenue for kinds of accounts that are not supported."""
    if account.kind == AccountKind.PAPER:
        return PaperVenue(account.key, account.feed)
    raise NoVenue(f"The account {account.name} is {account.kind}; only paper accounts can trade in this version.")
