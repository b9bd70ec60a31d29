"""Follows what live accounts have at their venues between comparisons: reports, lost orders, orders that vanished.

A venue may drop an order without a word; what the ledger believes to rest is therefore looked at every few seconds.
"""

from datetime import datetime, timedelta

from markets.exchanges.base import Unanswered

from . import comparing, reconciliation, reports
from .gateway import NoVenue, venue_of
from .models import Account, Order, Position

LOOK_EVERY = timedelta(seconds=5)
_looked: dict[int, datetime] = {}


def follow(*, account: Account, now: datetime) -> None:
    """One look at a live account: book its news, look up what is in doubt, and see that its orders still rest."""
    try:
        reports.resolve(account=account, now=now)
        if _watched(account) and now - _looked.get(account.pk, now - LOOK_EVERY) >= LOOK_EVERY:
            _looked[account.pk] = now
            vanished(account=account, now=now)
    except (Unanswered, NoVenue) as silence:
        reconciliation.silent(account=account, wall=now, silence=silence)
    else:
        reconciliation.heard(account=account)


def _watched(account: Account) -> bool:
    resting = Order.objects.resting().filter(account=account)
    return resting.exists() or Position.objects.open().filter(account=account).exists()


def vanished(*, account: Account, now: datetime) -> None:
    """Ask for each order that should rest and is not listed, and for each that is listed and should not be."""
    shown = comparing.picture(venue_of(account))
    reconciliation.settle_orders(account, shown, now, now)
