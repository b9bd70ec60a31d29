"""Alerts and differences: to read, and a difference to accept where the venue's figures may stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import action

from ledger import adopting
from ledger.models import Alert, Discrepancy, Outcome, Severity, User
from markets.admin import History, coloured

from .ownership import Own, Owned

SEVERITY_COLOURS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "danger"}
OUTCOME_COLOURS = {
    Outcome.OPEN: "danger",
    Outcome.FOREIGN: "warning",
    Outcome.IMPORTED: "success",
    Outcome.SETTLED: "success",
    Outcome.ADOPTED: "success",
    Outcome.ACCEPTED: "info",
}


@admin.register(Alert)
class AlertAdmin(Owned, History):
    list_display = (
        "id", "owner", "kind", coloured("severity", SEVERITY_COLOURS), "account", "book", "sentence", "opened_at",
        "resolved_at",
    )  # fmt: skip
    list_filter = ("kind", "severity", ("account", Own), ("resolved_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner", "account", "book")
    search_fields = ("sentence", "account__name", "book__name")


@admin.register(Discrepancy)
class DiscrepancyAdmin(Owned, History):
    list_display = (
        "id", "account", "what", "ledger", "venue", coloured("outcome", OUTCOME_COLOURS), "done", "by", "found_at",
        "resolved_at",
    )  # fmt: skip
    list_filter = ("outcome", ("account", Own))
    list_select_related = ("account", "by")
    search_fields = ("what", "done", "account__name")
    actions = ("accept", "adopt")

    @action(description="Accept the venue's figures")
    def accept(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, adopting.accept, "booked at the guardian's next round.")

    @action(description="Adopt the order")
    def adopt(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._decide(request, queryset, adopting.adopt_order, "taken over at the guardian's next rounds.")

    def _decide(self, request: HttpRequest, rows: QuerySet[Any], decide: Callable[..., None], sentence: str) -> None:
        for row in rows.select_related("account"):
            try:
                decide(row=row, by=cast(User, request.user), wall=timezone.now())
            except adopting.NotAdopted as refusal:
                self.message_user(request, f"{row.what}: {refusal}", messages.ERROR)
            else:
                self.message_user(request, f"{row.what}: {sentence}")
