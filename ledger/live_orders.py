"""Follows what live accounts have at their venues between comparisons: reports, lost orders, orders that vanished.

Questions cost at an exchange, so an account is asked as often as it needs: at every round while something is open,
seldom while it only holds what is covered, and more seldom while nothing is there.
"""

from datetime import datetime, timedelta

from django.db.models import Q

from markets.exchanges.base import Unanswered

from . import reconciliation, reports
from .gateway import NoVenue, venue_of
from .models import Account, Order, OrderState, Position, Role

COVERED_EVERY = timedelta(seconds=6)
IDLE_EVERY = timedelta(seconds=20)
# A venue may drop an order without a word, so what the ledger believes to rest is looked at, too.
LOOK_EVERY = timedelta(seconds=20)
_looked: dict[tuple[int, str], datetime] = {}


def follow(*, account: Account, now: datetime) -> None:
    """One look at a live account: book its news, look up what is in doubt, and see that its orders still rest."""
    resting = Order.objects.resting().filter(account=account).exists()
    held = resting or Position.objects.open().filter(account=account).exists()
    try:
        if _urgent(account) or _due(account, "reports", COVERED_EVERY if held else IDLE_EVERY, now):
            _looked[account.pk, "reports"] = now
            reports.resolve(account=account, now=now)
            reconciliation.heard(account=account)
        if held and _due(account, "orders", LOOK_EVERY, now):
            _looked[account.pk, "orders"] = now
            vanished(account=account, now=now)
    except (Unanswered, NoVenue) as silence:
        reconciliation.silent(account=account, wall=now, silence=silence)
    except Exception as trouble:  # Who cannot be followed, for whatever reason, must not go on trading.
        reconciliation.silent(account=account, wall=now, silence=trouble)
        raise


def _urgent(account: Account) -> bool:
    """Whether something is open that must not wait: an order on its way, in doubt or filling, or no stop."""
    # Partly filled is also what has ended, and whose executions are not listed yet.
    states = OrderState.SENDING, OrderState.UNKNOWN, OrderState.PARTLY_FILLED
    doubtful = Q(state__in=states) | Q(role__in=(Role.ENTRY, Role.EXIT))
    if Order.objects.live().filter(doubtful, account=account).exists():
        return True
    return Position.objects.open().filter(account=account, unprotected_since__isnull=False).exists()


def _due(account: Account, what: str, every: timedelta, now: datetime) -> bool:
    before = _looked.get((account.pk, what))
    return before is None or now - before >= every


def hinted(account: int) -> None:
    """There is news of an account: the next look at its reports is due."""
    _looked.pop((account, "reports"), None)


def vanished(*, account: Account, now: datetime) -> None:
    """Ask for each order that should rest and is not listed, and for each that is listed and should not be."""
    listed = {report.client_id for report in venue_of(account).open_orders()}
    reconciliation.settle_orders(account, listed, now, now)
