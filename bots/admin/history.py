"""Cycles and decisions, to read: what ran when, what was answered, and the verdict of each rule."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join
from unfold.admin import TabularInline
from unfold.decorators import display

from bots.models import Cycle, CycleStatus, Decision, DecisionItem
from ledger.admin import Own, Owned
from markets.admin import History, coloured, exact, link

CYCLE_COLOURS = {
    CycleStatus.QUEUED: "info",
    CycleStatus.RUNNING: "info",
    CycleStatus.DONE: "success",
    CycleStatus.SKIPPED: "warning",
    CycleStatus.FAILED: "danger",
    CycleStatus.INTERRUPTED: "danger",
}


@admin.register(Cycle)
class CycleAdmin(Owned, History):
    owner_path = "bot__owner"
    list_display = (
        "id", "bot", "slot", "trigger", coloured("status", CYCLE_COLOURS), "queued_at", "seconds", "error",
        "decision_page", "bot_page",
    )  # fmt: skip
    list_filter = ("status", "trigger", ("bot", Own))
    list_select_related = ("bot", "decision")
    search_fields = ("bot__name", "error")

    @display(description="seconds")
    def seconds(self, cycle: Cycle) -> str:
        if cycle.started_at is None or cycle.ended_at is None:
            return "-"
        return f"{(cycle.ended_at - cycle.started_at).total_seconds():.2f}"

    @display(description="decision")
    def decision_page(self, cycle: Any) -> str:
        decision = getattr(cycle, "decision", None)
        return link("decision", f"/decisions/{decision.pk}/") if decision and cycle.mine else "-"

    @display(description="bot page")
    def bot_page(self, cycle: Any) -> str:
        return link("live", f"/bots/{cycle.bot_id}/") if cycle.mine else "-"


class ItemInline(TabularInline):
    model = DecisionItem
    can_delete = False
    extra = 0
    fields = (
        "symbol", "action", exact(DecisionItem, "conviction"), exact(DecisionItem, "stop"),
        exact(DecisionItem, "target"), "outcome", "rules", "reason",
    )  # fmt: skip
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="rules")
    def rules(self, item: DecisionItem) -> str:
        """Verdicts quote what a model wrote, so each word is escaped."""
        said = ((verdict.get("code", ""), verdict.get("text", "")) for verdict in item.verdicts)
        return format_html_join("", "<div>{}: {}</div>", said) or "-"


@admin.register(Decision)
class DecisionAdmin(Owned, History):
    owner_path = "bot__owner"
    list_display = (
        "id", "bot", "at", "decider", "summary", "acted", "refused", "equity", "latency_ms", "decision_page",
        "bot_page",
    )  # fmt: skip
    list_filter = ("acted", "refused", "decider", ("bot", Own))
    list_select_related = ("bot",)
    search_fields = ("bot__name", "decider", "summary")
    inlines = (ItemInline,)

    @display(description="decision page")
    def decision_page(self, decision: Any) -> str:
        return link("decision", f"/decisions/{decision.pk}/") if decision.mine else "-"

    @display(description="bot page")
    def bot_page(self, decision: Any) -> str:
        return link("live", f"/bots/{decision.bot_id}/") if decision.mine else "-"
