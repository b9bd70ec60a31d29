"""Bots with their controls. Each control is one call of `bots.control`; what is not possible is told per bot.

Bots are made where their capital is set aside, and never deleted: their history hangs on them.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import Count, Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.decorators import action, display

from bots import control, deciding, reservations
from bots.models import Bot, BotStatus, Cycle
from ledger.admin import Audited, Own, Owned
from ledger.models import Position, PositionState, User
from ledger.valuation import marked
from markets.admin import Exact, coloured, link

from .forms import BotForm
from .providers import FallbackInline

STATUS_COLOURS = {BotStatus.RUNNING: "success", BotStatus.PAUSED: "warning", BotStatus.STOPPED: "danger"}


class Verb(Protocol):
    def __call__(self, *, bot: Bot, by: User) -> object: ...


@admin.register(Bot)
class BotAdmin(Audited, Owned, Exact):
    form = BotForm
    audited = ("policy", "decider")  # which limits hold, and who may trade within them
    owner_path = "owner"
    inlines = (FallbackInline,)
    actions = ("start", "pause", "run_now", "flatten")
    list_display = (
        "name", "owner", coloured("status", STATUS_COLOURS), "decider", "policy", "account", "cash",
        "open_positions", "next_run_at", "last_cycle", "skipped_slots", "live_page",
    )  # fmt: skip
    list_filter = ("status", "decider", ("policy", Own), ("owner", Own))
    list_select_related = ("owner", "policy", "book__account__feed")
    search_fields = ("name", "decider", "owner__username")
    readonly_fields = (
        "owner", "book", "status", "next_run_at", "skipped_slots", "open_positions", "live_page", "created_at",
        "model_failures", "model_trouble",
    )  # fmt: skip
    fieldsets = (
        (None, {"fields": ("name", "owner", "status", "live_page", "created_at")}),
        ("Trading", {"fields": ("book", "open_positions", "instruments", "policy")}),
        ("Deciding", {"fields": ("decider", "seed", "timeframes")}),
        (
            "Language model",
            {
                "fields": (
                    "prompt_version",
                    "question_cap_minutes",
                    "shadow_share",
                    "decision_seconds",
                    "safe_after",
                    "model_failures",
                    "model_trouble",
                )
            },
        ),
        (
            "Schedule",
            {"fields": ("interval_seconds", "position_interval_seconds", "crontab", "next_run_at", "skipped_slots")},
        ),
        ("Charts", {"fields": ("colour", "monogram")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bot]:
        newest = Cycle.objects.filter(bot=OuterRef("pk")).order_by("-id")
        held = Count("book__positions", filter=Q(book__positions__state=PositionState.OPEN))
        counted = super().get_queryset(request).annotate(open_count=held)
        return counted.annotate(last_cycle_status=Subquery(newest.values("status")[:1]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.decider.startswith(deciding.MODEL):
            # So that its limits can be set before it asks for the first time.
            reservations.make_budgets(owner_id=obj.owner_id, bot=obj)

    @display(description="account", ordering="book__account__name")
    def account(self, bot: Bot) -> str:
        return str(bot.book.account or "-")

    @display(description="cash")
    def cash(self, bot: Bot) -> str:
        return f"{bot.book.cash:.2f} {bot.book.currency}"

    @display(description="open positions", ordering="open_count")
    def open_positions(self, bot: Any) -> int:
        return int(bot.open_count)

    @display(description="last cycle")
    def last_cycle(self, bot: Any) -> str:
        return bot.last_cycle_status or "-"

    @display(description="live page")
    def live_page(self, bot: Any) -> str:
        return link("live", f"/bots/{bot.pk}/") if bot.mine else "-"

    @action(description="Start", permissions=["change"])
    def start(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        self._each(request, queryset, control.start, "{bot} is running from its next slot on.")

    @action(description="Pause: no more cycles, stops stay in place", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        self._each(request, queryset, control.pause, "{bot} is paused; its stops and targets stay in place.")

    @action(description="Run a cycle at the next instant", permissions=["change"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        self._each(request, queryset, control.run_now, "{bot} has a cycle queued for the next instant.")

    @action(description="Flatten: pause and close everything it holds", permissions=["change"])
    def flatten(self, request: HttpRequest, queryset: QuerySet[Bot]) -> HttpResponse | None:
        """First says what would be closed, in numbers; the second time does it."""
        if request.POST.get("confirmed") == "yes":
            self._each(request, queryset, control.flatten, "{bot} is paused and being flattened.")
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": "Close everything that these bots hold?",
            "opts": self.opts,
            "bots": queryset,
            "positions": would_close(queryset),
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/bots/flatten.html", context)

    def _each(self, request: HttpRequest, bots: QuerySet[Bot], verb: Verb, done: str) -> None:
        for bot in bots.select_related("book__account__feed"):
            try:
                verb(bot=bot, by=cast(User, request.user))
            except control.NotPossible as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.log_change(request, bot, done.format(bot=bot.name))
                self.message_user(request, done.format(bot=bot.name))


def would_close(bots: QuerySet[Bot]) -> list[dict[str, Any]]:
    """What flattening these bots would close, as a person reads it."""
    held = marked(Position.objects.open().filter(book__bot__in=bots)).select_related("instrument", "book__bot")
    return [_line(position) for position in held.order_by("book", "id")]


def _line(position: Any) -> dict[str, Any]:
    mark, currency = position.mark, position.book.currency
    return {
        "bot": position.book.bot.name,
        "instrument": position.instrument.symbol,
        "quantity": f"{position.quantity:f}",
        "mark": "-" if mark is None else f"{mark:f}",
        "unrealised": "-" if mark is None else f"{position.holding.unrealised(mark):+.2f} {currency}",
    }
