"""Asks an exchange what the key of a live account may do, in a worker, and begins the account's books with a good one.

A key that may withdraw money is refused and not kept. A row asks for a check, and the answer is a sentence on it.
"""

from datetime import UTC, datetime

from django.db.models import Q

from markets import broadcast
from markets.exchanges.base import KeyRefused, Unanswered
from markets.exchanges.live_permissions import Permissions, permissions

from . import accounts
from .gateway import NoVenue, client_of
from .models import Account, AccountKind

AGAIN = "The exchange has not answered; it is asked again."


def run_asked() -> int:
    """Check every key that waits for it, and open books that could not be opened yet. Returns how many were tried."""
    waiting = Q(check_asked_at__isnull=False, check_passed__isnull=True) | Q(check_passed=True, books_from=None)
    rows = Account.objects.filter(waiting, kind=AccountKind.LIVE).exclude(sealed_credentials="")
    found = list(rows.select_related("feed", "owner").order_by("check_asked_at")[:20])
    for account in found:
        run(account=account, wall=datetime.now(UTC))
    return len(found)


def run(*, account: Account, wall: datetime) -> None:
    """Ask once and write down what came of it."""
    told: Permissions | None = None
    try:
        told = permissions(client_of(account))
        passed, result = not told.refusal, told.refusal or _good(told)
        if passed:
            accounts.open_books(account=account, wall=wall)
    except KeyRefused as refusal:
        passed, result = False, f"The exchange does not take the key: {refusal}"
    except NoVenue as refusal:
        passed, result = False, str(refusal)
    except Unanswered as silence:
        _answer(account, {"check_result": f"{AGAIN} ({silence})"[:400]})
        return
    changes: dict[str, object] = {"check_passed": passed, "check_result": result[:400], "checked_at": wall}
    if told is not None and told.withdrawals:  # A key that could empty the account is not kept, not even sealed.
        changes |= {"sealed_credentials": "", "credentials_hint": ""}
    _answer(account, changes)


def _answer(account: Account, changes: dict[str, object]) -> None:
    # A key that was replaced meanwhile waits for a check of its own.
    same = Account.objects.filter(pk=account.pk, sealed_credentials=account.sealed_credentials)
    same.update(**changes)
    broadcast.announce(f"user-{account.owner_id}", kind="account", account=account.pk)


def _good(told: Permissions) -> str:
    rights = "may trade and may not withdraw" if told.withdrawals is False else "may trade; it does not tell its rights"
    return f"The key {rights}. {told.advice}".strip()
