"""The pages of backtests: what is stored and asked for, one report, several side by side, and the buttons.

They ask through `bots.backtests.runs`; a worker runs. Another user's id is not found here.
"""

from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from ledger.sign_in import Request

from . import fragments
from .backtests import reading, runs
from .backtests.loader import NotThere
from .backtests.options import Unclear, changed
from .backtests.stored import Stored, stored
from .forms import BacktestForm
from .models import Asker, Backtest
from .tasks import enqueue_backtests
from .views import reading as page_to_read

SHOWN = 50
MOST_COMPARED = 8
FORMS = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}


def _around(request: Request, **values: Any) -> dict[str, Any]:
    feed = fragments.feed_of(request.user, {})
    around = fragments.around(request.user, feed, datetime.now(UTC))
    return {**around, "page": "frame", "query": f"feed={feed.pk}" if feed else "", "section": "backtests", **values}


def _mine(request: Request, pk: int) -> Backtest:
    return get_object_or_404(Backtest.objects.of(request.user).light(), pk=pk)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: Request) -> HttpResponse:
    """What there is, and a form to ask for more."""
    form = BacktestForm(request.POST or None, user=request.user, initial=_begun(request))
    if request.method == "POST" and form.is_valid():
        try:
            wall = datetime.now(UTC)
            made = runs.ask(owner=request.user, wanted=form.request(), by=Asker.PAGE, wall=wall)
            enqueue_backtests()
            return redirect("backtest", pk=made.pk)
        except (Unclear, NotThere) as problem:
            form.add_error(None, str(problem))
    there = stored()
    values = {"form": form, "stored": _by_exchange(there), "chosen": _chosen(form), **_rows(request)}
    return render(request, "bots/backtests/index.html", _around(request, **values))


def _begun(request: Request) -> dict[str, Any]:
    """What the form begins with: the last thing that was asked for, or what stands in the address."""
    last = Backtest.objects.of(request.user).light().order_by("-id").values_list("request", flat=True).first() or {}
    names = ("decider", "timeframe", "start", "end", "cash")
    begun = {name: last[name] for name in names if last.get(name)}
    return begun | {"symbols": (last.get("exchange"), last.get("symbols", ()))} | {
        name: request.GET[name] for name in ("decider",) if name in request.GET
    }  # fmt: skip


def _chosen(form: BacktestForm) -> set[str]:
    """The ids of the instruments that are ticked."""
    if form.is_bound:
        return set(form.data.getlist("instruments"))  # type: ignore[attr-defined]
    exchange, symbols = form.initial.get("symbols", (None, ()))
    rows = BacktestForm.base_fields["instruments"].queryset.filter(exchange=exchange or "", symbol__in=symbols)  # type: ignore[attr-defined]
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def _by_exchange(found: list[Stored]) -> dict[str, list[Stored]]:
    groups: dict[str, list[Stored]] = {}
    for one in found:
        groups.setdefault(one.instrument.exchange, []).append(one)
    return groups


def _rows(request: Request) -> dict[str, Any]:
    rows = list(Backtest.objects.of(request.user).light().order_by("-id")[:SHOWN])
    return {"rows": rows, "busy": any(row.under_way for row in rows)}


@page_to_read
def listing(request: Request) -> HttpResponse:
    """The list alone, while something in it is under way."""
    return render(request, "bots/backtests/_runs.html", _rows(request))


@page_to_read
def backtest(request: Request, pk: int) -> HttpResponse:
    """One backtest: its report, or how far it is."""
    found = get_object_or_404(Backtest.objects.of(request.user), pk=pk)
    report = found.report
    values = {"backtest": found, "asked": reading.command(found.request)}
    if report is not None:
        values |= reading.context(report)
    return render(request, "bots/backtests/backtest.html", _around(request, **values))


@page_to_read
def state(request: Request, pk: int) -> HttpResponse:
    """How far it is; once it has ended the page is loaded anew."""
    found = _mine(request, pk)
    if not found.under_way:
        return HttpResponseClientRefresh()
    return render(request, "bots/backtests/_state.html", {"backtest": found})


@page_to_read
def compare(request: Request) -> HttpResponse:
    """Two or more reports side by side."""
    ids = [fragments.number(text) for text in dict.fromkeys(request.GET.getlist("id"))][:MOST_COMPARED]
    rows = {row.pk: row for row in Backtest.objects.of(request.user).filter(pk__in=ids, packed__isnull=False)}
    chosen = [rows[pk] for pk in ids if pk in rows]
    reports = [row.report for row in chosen]
    values: dict[str, Any] = {"chosen": chosen, "reports": reports}
    if len(reports) > 1:
        told = [report for report in reports if report is not None]
        values |= {"compared": reading.compared(told), "differing": reading.differing(told)}
    return render(request, "bots/backtests/compare.html", _around(request, **values))


@page_to_read
def export(request: Request, pk: int, form: str) -> HttpResponse:
    """The whole report as a file."""
    found = get_object_or_404(Backtest.objects.of(request.user), pk=pk)
    report = found.report
    if report is None:
        raise Http404("This backtest has no report.")
    kept = {"Content-Disposition": f'attachment; filename="backtest-{pk}.{form}"'}
    return HttpResponse(reading.written(report, form), content_type=FORMS[form], headers=kept)


@login_required
@require_POST
def act(request: Request, pk: int, action: str) -> HttpResponse:
    """Cancel it, run it again, or remove it."""
    found, wall = _mine(request, pk), datetime.now(UTC)
    try:
        if action == "cancel":
            runs.cancel(backtest=found, wall=wall)
            messages.success(request, "It is being cancelled.")
        elif action == "again":
            money = request.POST.get("money", "").strip()
            settings = changed(found.request["settings"], [f"money={money}"]) if money else None
            runs.again(backtest=found, wall=wall, settings=settings)
            enqueue_backtests()
        else:
            runs.remove(backtest=found)
            messages.success(request, "The backtest is removed.")
            return redirect("backtests")
    except (runs.NotPossible, Unclear) as refusal:
        messages.warning(request, str(refusal))
    return redirect("backtest", pk=pk)
