"""What people do with accounts: compare now, make one live, replace its key, arm it, adopt what is not ours.

Each answer is a redirect to the accounts with one sentence; dialogs are asked for by themselves.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from . import adopting, live_accounts
from .forms import AdoptForm, KeyForm, LiveAccountForm, first_error
from .models import Account, Book, BookKind, Discrepancy, Position
from .sign_in import Request
from .valuation import marked


def dialog(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    return never_cache(require_safe(login_required(view)))


def done(request: Request, sentence: str, work: Callable[[], object]) -> HttpResponse:
    """Do it and say so, or say in one sentence why not."""
    try:
        work()
    except (live_accounts.NotPossible, adopting.NotAdopted) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, sentence)
    return HttpResponseClientRedirect(reverse("accounts")) if request.htmx else redirect("accounts")


def refused(request: Request, form: Any) -> HttpResponse:
    messages.error(request, first_error(form))
    return redirect("accounts")


def mine(request: Request, pk: int) -> Account:
    return get_object_or_404(Account.objects.of(request.user).select_related("feed"), pk=pk)


@login_required
@require_POST
def compare(request: Request, pk: int) -> HttpResponse:
    """Have the guardian compare the account with its venue now."""
    account = mine(request, pk)
    sentence = f"{account.name} is compared with its venue at the guardian's next round."
    return done(request, sentence, lambda: live_accounts.ask_comparison(account=account, wall=datetime.now(UTC)))


@dialog
def confirm_new(request: Request) -> HttpResponse:
    return render(request, "ledger/_new_live.html", {"form": LiveAccountForm()})


@sensitive_post_parameters("key", "secret")
@login_required
@require_POST
def new(request: Request) -> HttpResponse:
    """Make a live account; its key is checked by a worker."""
    form = LiveAccountForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    now, sentence = datetime.now(UTC), f"{form.cleaned_data['name']} is made; its key is being checked."
    made = {"owner": request.user, "by": request.user, "wall": now, **form.cleaned_data}
    return done(request, sentence, lambda: live_accounts.open_account(**made))


@dialog
def confirm_key(request: Request, pk: int) -> HttpResponse:
    return render(request, "ledger/_new_key.html", {"account": mine(request, pk), "form": KeyForm()})


@sensitive_post_parameters("key", "secret")
@login_required
@require_POST
def set_key(request: Request, pk: int) -> HttpResponse:
    """Replace the key of an account. It is disarmed until a person arms it again."""
    account, form = mine(request, pk), KeyForm(request.POST)
    if not form.is_valid():
        return refused(request, form)
    given = {"account": account, "by": request.user, "wall": datetime.now(UTC), **form.cleaned_data}
    sentence = f"The key of {account.name} is replaced and being checked; the account is disarmed."
    return done(request, sentence, lambda: live_accounts.set_key(**given))


@dialog
def confirm_arm(request: Request, pk: int) -> HttpResponse:
    values = {"account": mine(request, pk), "live_trading": settings.LIVE_TRADING, "off": live_accounts.OFF}
    return render(request, "ledger/_confirm_arm.html", values)


@login_required
@require_POST
def arm(request: Request, pk: int) -> HttpResponse:
    """Arm or disarm an account."""
    account, wanted = mine(request, pk), request.POST.get("armed") == "yes"
    change = live_accounts.arm if wanted else live_accounts.disarm
    sentence = f"{account.name} may take exposure with real money." if wanted else f"{account.name} is disarmed."
    return done(request, sentence, lambda: change(account=account, by=request.user, wall=datetime.now(UTC)))


@login_required
@require_POST
def resume(request: Request, pk: int) -> HttpResponse:
    """Let an account take new exposure again, whose venue refused what it had always taken."""
    account = mine(request, pk)
    sentence = f"{account.name} takes new exposure again."
    who: dict[str, Any] = {"by": request.user, "wall": datetime.now(UTC)}
    return done(request, sentence, lambda: live_accounts.resume(account=account, **who))


def adoptable(request: Request, pk: int) -> tuple[Position, Any]:
    """A position of the user that nobody manages, with its mark, and the books that may take it."""
    rows = marked(Position.objects.of(request.user).open().filter(book__kind=BookKind.UNASSIGNED))
    position = get_object_or_404(rows.select_related("account", "instrument"), pk=pk)
    return position, Book.objects.filter(account=position.account_id, kind=BookKind.BOT).order_by("name")


@dialog
def confirm_adopt(request: Request, pk: int) -> HttpResponse:
    position, books = adoptable(request, pk)
    return render(request, "ledger/_adopt.html", {"position": position, "form": AdoptForm(books=books)})


@login_required
@require_POST
def adopt(request: Request, pk: int) -> HttpResponse:
    """Give a position that is not ours to a book, with a stop."""
    position, books = adoptable(request, pk)
    form = AdoptForm(request.POST, books=books)
    if not form.is_valid():
        return refused(request, form)
    given = {"position": position, "by": request.user, "wall": datetime.now(UTC), **form.cleaned_data}
    sentence = f"{position.instrument.symbol} is {form.cleaned_data['book'].name}'s now; its stop is being placed."
    return done(request, sentence, lambda: adopting.adopt(**given))


@login_required
@require_POST
def adopt_order(request: Request, pk: int) -> HttpResponse:
    """Take over a stop or target that is not ours."""
    row = get_object_or_404(Discrepancy.objects.of(request.user).select_related("account"), pk=pk)
    sentence = "The order is taken over at the guardian's next rounds: ours first, then that one is cancelled."
    return done(request, sentence, lambda: adopting.adopt_order(row=row, by=request.user, wall=datetime.now(UTC)))


@login_required
@require_POST
def accept(request: Request, pk: int) -> HttpResponse:
    """Let the venue's figures stand where ledger and venue differ."""
    row = get_object_or_404(Discrepancy.objects.of(request.user).select_related("account"), pk=pk)
    sentence = "The venue's figures are booked at the guardian's next round."
    return done(request, sentence, lambda: adopting.accept(row=row, by=request.user, wall=datetime.now(UTC)))
