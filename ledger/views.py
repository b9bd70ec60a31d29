"""Signing in and out, the list of accounts, and the switch of the whole system's trading state.

The switch is for staff: it holds for everybody's accounts.
"""

from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import trigger_client_event

from . import fragments, sign_in, states
from .forms import SignInForm, StateForm
from .models import TradingStateKind
from .sign_in import Request

BACKEND = "django.contrib.auth.backends.ModelBackend"
USED = "This sign-in link was used or is too old. Sign in with your password, or ask for a new link."
REASONS = {"active": "Resumed by hand", "reduce_only": "Reduce-only by hand", "halted": "Halted by hand"}


@method_decorator(never_cache, "dispatch")
class SignIn(views.LoginView):
    template_name = "ledger/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(views.LogoutView):
    next_page = "sign-in"


@never_cache
@require_safe
def sign_in_link(request: Request, uidb64: str, token: str) -> HttpResponse:
    """Sign in by a one-time link. Who is signed in already by it goes on, for a second click is no offence."""
    user = sign_in.user_of(uidb64, token)
    if user is not None and request.method == "GET":
        login(request, user, backend=BACKEND)
        return redirect("/")
    if request.user.is_authenticated and request.user == sign_in.named_by(uidb64):
        return redirect("/")
    return render(request, "ledger/sign_in.html", {"form": SignInForm(request), "problem": USED}, status=410)


@login_required
@require_safe
def confirm_state(request: Request, state: str) -> HttpResponse:
    """What a change of the system's state would do, in numbers."""
    _staff_only(request)
    return render(request, "ledger/_confirm_state.html", {"change": fragments.consequences(state)})


@login_required
@require_POST
def change_state(request: Request) -> HttpResponse:
    """Set the state of the whole system. HTMX gets the pill, others are sent to the arena."""
    _staff_only(request)
    form = StateForm(request.POST)
    if not form.is_valid():
        return HttpResponse("There is no such trading state.", status=400, content_type="text/plain")
    state = form.cleaned_data["state"]
    reason = form.cleaned_data["reason"] or REASONS[state]
    states.change(scope=None, state=state, reason=reason, by=request.user, now=datetime.now(UTC))
    sentence = f"The system is {TradingStateKind(state).label.lower()}."
    if not request.htmx:
        messages.success(request, sentence)
        return redirect("/")
    values = {"system": states.current_system(), "user": request.user, "sentence": sentence, "level": 25}
    return trigger_client_event(render(request, "ledger/_state_changed.html", values), "dialog:close")


def _staff_only(request: Request) -> None:
    if not request.user.is_staff:
        raise PermissionDenied("Only staff may change the state of the whole system.")
