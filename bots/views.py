"""The pages of bots: arena, lists, one bot, one decision, and the controls.

They read through `fragments` and act through `control`. Another user's id is not found here.
"""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from ledger import fragments as ledger
from ledger.models import Lock, Order, Position, Role
from ledger.sign_in import Request
from ledger.valuation import marked
from markets.domain.rounding import plain
from markets.feeds import clock

from . import control, exports, fragments, locking, policies, replaying, timeline
from .domain.policy import PRESETS
from .forms import LimitsForm, PageForm
from .models import Bot, Decision, ModelCall, RiskPolicy

View = Callable[..., HttpResponse]
TABLES = ("decisions", "positions", "orders", "trades", "journal")


def reading(view: View) -> View:
    """A page to read: for who is signed in, by GET or HEAD, and kept by no cache on the way."""
    return never_cache(login_required(require_safe(view)))


def page(name: str, template: str) -> View:
    """A page that is its context and nothing else."""

    @reading
    def view(request: Request, **ids: Any) -> HttpResponse:
        asked = request.GET.dict() | {key: str(value) for key, value in ids.items()}
        asked.pop("since", None)
        return render(request, template, fragments.context(name, request.user, asked, datetime.now(UTC)))

    return view


arena = page("arena", "bots/arena.html")
leaderboard = page("leaderboard", "bots/leaderboard.html")
bot_list = page("bots", "bots/list.html")
bot = page("bot", "bots/bot.html")
# The ledger knows no frame around its pages; so its lists of accounts and alerts are served from here.
accounts = page("accounts", "ledger/accounts.html")
alerts = page("alerts", "ledger/alerts.html")


@never_cache
@require_safe
def living(request: Request, name: str) -> HttpResponse:
    """The living parts of a page, for browsers whose socket is down."""
    if not request.user.is_authenticated:
        return HttpResponseClientRedirect("/sign-in/")
    parts, _ = fragments.rendered(name, request.user, request.GET.dict(), datetime.now(UTC))
    return HttpResponse("\n".join(parts.values()))


@reading
def book(request: Request, pk: int) -> HttpResponse:
    """Where a book's bot is: the ledger knows books only."""
    return redirect("bot", id=get_object_or_404(Bot.objects.of(request.user), book=pk).pk)


@reading
def decision(request: Request, pk: int) -> HttpResponse:
    found = get_object_or_404(_decisions(request), pk=pk)
    feed = fragments.feed_behind(found.bot)
    values = fragments.around(request.user, feed, datetime.now(UTC))
    orders = Order.objects.filter(intent__decision_item__decision=found).select_related("instrument").order_by("id")
    longest = max((step.get("ms", 0) for step in found.cycle.steps), default=0)
    values |= {"page": "frame", "query": f"feed={feed.pk}", "decision": found, "orders": orders, "longest": longest}
    values["calls"] = ModelCall.objects.filter(cycle=found.cycle_id).select_related("provider").order_by("id")
    values |= replaying.offer(request.user, found)
    return render(request, "bots/decision.html", values)


@reading
def inside(request: Request, pk: int) -> HttpResponse:
    """What an opened entry of the stream shows."""
    return render(request, "bots/_inside.html", {"decision": get_object_or_404(_decisions(request), pk=pk)})


@reading
def holds(request: Request) -> HttpResponse:
    """What an opened fold of holds shows."""
    ids = [fragments.number(text) for text in request.GET.get("ids", "").split(",")][: timeline.UNFOLDED]
    rows = Decision.objects.of(request.user).filter(pk__in=ids).select_related("bot").order_by("-id")
    return render(request, "bots/_holds.html", {"decisions": rows})


def _decisions(request: Request) -> Any:
    rows = Decision.objects.of(request.user).select_related("cycle", "bot__book__account__feed")
    return timeline.with_items(rows)


@reading
def records(request: Request, id: int, table: str) -> HttpResponse:
    """One table of a bot, page by page into the past."""
    owned = fragments.owned_bot(request.user, str(id))
    form = PageForm(request.GET)
    if not form.is_valid():
        raise Http404("There is no such page.")
    before = form.cleaned_data["before"]
    feed = fragments.feed_behind(owned)
    values = fragments.around(request.user, feed, datetime.now(UTC))
    values |= {"page": "frame", "query": f"feed={feed.pk}", "bot": owned, "table": table, "before": before}
    values["tables"] = TABLES
    if table == "decisions":
        values["entries"], values["older"] = timeline.of_bot(owned, before)
    else:
        values["listing"] = ledger.listing(ledger.records(owned.book)[table], before)
    return render(request, "bots/records.html", values)


@reading
def export(request: Request, id: int, table: str, form: str) -> HttpResponse:
    owned = fragments.owned_bot(request.user, str(id))
    kept = {"Content-Disposition": f'attachment; filename="bot-{owned.pk}-{table}.{form}"'}
    if form == "json":
        return JsonResponse(exports.document(owned.book, table), headers=kept)
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=kept)
    csv.writer(response).writerows(exports.lines(owned.book, table))
    return response


@never_cache
@login_required
def policy(request: Request, id: int) -> HttpResponse:
    """The limits of a bot: to read, to try on its last entries, and to change."""
    owned = fragments.owned_bot(request.user, str(id))
    stored = RiskPolicy.objects.get(pk=owned.policy_id)
    form = LimitsForm(request.POST or limits_shown(request, stored), instance=owned.policy)
    if request.method == "POST" and form.is_valid() and "save" in request.POST:
        seen = form.cleaned_data.pop("seen")
        refused = policies.change(policy=stored, limits=form.cleaned_data, by=request.user, seen=seen)
        if refused is None:
            messages.success(request, f"{stored.name} is version {stored.version} now.")
            return redirect("policy", id=owned.pk)
        form.add_error(None, " ".join(refused.why.values()))
    values = fragments.of_policy(request.user, owned, form, datetime.now(UTC))
    return render(request, "bots/policy.html", values | {"presets": PRESETS})


def limits_shown(request: Request, stored: RiskPolicy) -> dict[str, Any]:
    """What the form begins with: the limits that hold, or those of the preset that was asked for."""
    name = request.GET.get("preset", "")
    limits = policies.preset(name) if name in PRESETS else policies.limits_of(stored)
    return {limit: plain(value) if isinstance(value, Decimal) else value for limit, value in limits.items()} | {
        "seen": stored.version
    }


@reading
def confirm_flatten(request: Request, id: int) -> HttpResponse:
    """What flattening would do, in numbers."""
    owned = fragments.owned_bot(request.user, str(id))
    positions = list(marked(Position.objects.open().filter(book=owned.book)))
    values = {
        "bot": owned,
        "cards": fragments.cards(positions, clock.now(fragments.feed_behind(owned))),
        "entries": Order.objects.live().filter(book=owned.book, role=Role.ENTRY).count(),
    }
    return render(request, "bots/_confirm_flatten.html", values)


ACTIONS: dict[str, tuple[Callable[..., Any], str]] = {
    "start": (control.start, "{bot} is running: its next slot is the next instant."),
    "pause": (control.pause, "{bot} is paused. Its stops and targets stay in place."),
    "run-now": (control.run_now, "{bot} has a cycle queued for the next instant."),
    "flatten": (control.flatten, "{bot} is paused and being flattened."),
    "emergency": (control.emergency, "{bot} is asked at the next instant: close or keep, each position."),
}


@login_required
@require_POST
def act(request: Request, id: int, action: str) -> HttpResponse:
    """One of `ACTIONS`. HTMX gets the parts of the page it came from, others are sent to the bot."""
    owned = fragments.owned_bot(request.user, str(id))
    verb, done = ACTIONS[action]
    try:
        verb(bot=owned, by=request.user)
        level, sentence = messages.SUCCESS, done.format(bot=owned.name)
    except control.NotPossible as refusal:
        level, sentence = messages.WARNING, str(refusal)
    if not request.htmx:
        messages.add_message(request, level, sentence)
        return redirect("bot", id=owned.pk)
    return _answer(request, owned, level, sentence)


@login_required
@require_POST
def lift(request: Request, pk: int) -> HttpResponse:
    """End a lock before its time."""
    lock = get_object_or_404(Lock.objects.of(request.user), pk=pk)
    owned = get_object_or_404(Bot.objects.of(request.user), book=lock.book_id)
    done = locking.lift(lock=lock, by=request.user, now=datetime.now(UTC))
    level = messages.SUCCESS if done else messages.WARNING
    sentence = f"{owned.name} may enter again." if done else "This lock was lifted before."
    if not request.htmx:
        messages.add_message(request, level, sentence)
        return redirect("bot", id=owned.pk)
    return _answer(request, owned, level, sentence)


def _answer(request: Request, owned: Bot, level: int, sentence: str) -> HttpResponse:
    name = "bots" if request.GET.get("from") == "bots" else "bot"
    parts, _ = fragments.rendered(name, request.user, {"id": str(owned.pk)}, datetime.now(UTC))
    living = [html for template, html in parts.items() if "_data" not in template]
    notice = render(request, "_notice.html", {"level": level, "sentence": sentence})
    response = HttpResponse("\n".join([notice.content.decode(), *living]))
    return trigger_client_event(response, "dialog:close")
