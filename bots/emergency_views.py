"""Emergency close of an account, or of everything a user has: first in numbers, then done by the guardian.

No model and no broker is needed: a request is a row, and the guardian carries it out.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from ledger.models import Account, Order, Position, Role
from ledger.sign_in import Request
from ledger.valuation import marked
from markets.feeds import clock

from . import control, fragments
from .views import reading


def accounts_of(request: Request, pk: int | None) -> list[Account]:
    """The user's account of this id, or all of them. Raises Http404 for another user's."""
    mine = Account.objects.of(request.user).select_related("feed").order_by("id")
    return list(mine) if pk is None else [get_object_or_404(mine, pk=pk)]


@reading
def confirm(request: Request, pk: int | None = None) -> HttpResponse:
    """What closing an account, or all of them, would do, in numbers."""
    accounts = accounts_of(request, pk)
    values: dict[str, Any] = {
        "one": accounts[0] if pk else None,
        "cards": [card for account in accounts for card in _cards(account)],
        "entries": Order.objects.live().filter(account__in=accounts, role=Role.ENTRY).count(),
        "bots": sum(account.books.filter(bot__isnull=False).count() for account in accounts),
    }
    return render(request, "bots/_confirm_flatten_account.html", values)


def _cards(account: Account) -> list[Any]:
    held = marked(Position.objects.open().filter(account=account)).select_related("book")
    return fragments.cards(list(held), clock.now(account.feed))


@login_required
@require_POST
def flatten(request: Request, pk: int | None = None) -> HttpResponse:
    """Pause the bots and ask the guardian to close everything."""
    accounts = accounts_of(request, pk)
    for account in accounts:
        control.flatten_account(account=account, by=request.user)
    named = accounts[0].name if pk else "Everything"
    messages.success(request, f"{named} is being closed; its bots are paused.")
    return redirect("accounts")
