"""Risk policies: limits that make sense, with a version that grows with each change."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, F, Model, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from bots import policies
from bots.models import RiskPolicy
from ledger import audit
from ledger.admin import Own, Owned
from ledger.models import User
from markets.admin import Exact

from .forms import PolicyForm


@admin.register(RiskPolicy)
class RiskPolicyAdmin(Owned, Exact):
    form = PolicyForm
    list_display = (
        "name", "owner", "version", "bots_count", "risk_per_trade", "max_exposure", "max_leverage",
        "max_positions", "changed_at",
    )  # fmt: skip
    list_filter = (("owner", Own),)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    readonly_fields = ("version", "changed_at")
    fieldsets = (
        (None, {"fields": ("name", "owner", "version", "changed_at", "seen_version")}),
        ("Size", {"fields": ("risk_per_trade", "max_position_notional", "min_notional", "max_positions")}),
        (
            "Exposure",
            {
                "fields": (
                    "max_exposure",
                    "max_side_exposure",
                    "max_volatility",
                    "max_leverage",
                    "max_margin_use",
                    "liquidation_buffer",
                )
            },
        ),
        (
            "Entries",
            {"fields": ("min_confidence", "min_reward_to_risk", "min_stop_distance", "max_stop_distance")},
        ),
        (
            "Locks",
            {
                "fields": (
                    "cooldown_minutes",
                    "stop_guard_count",
                    "stop_guard_instrument_count",
                    "max_loss_streak",
                    "max_daily_loss",
                    "max_drawdown",
                    "max_trades_per_day",
                    "low_profit_count",
                    "low_profit",
                    "max_failures",
                    "lock_look_back_minutes",
                    "lock_minutes",
                )
            },
        ),
        (
            "Market",
            {
                "fields": (
                    "max_slippage",
                    "max_spread",
                    "max_depth_share",
                    "max_funding",
                    "price_band",
                    "max_data_age_seconds",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RiskPolicy]:
        return super().get_queryset(request).annotate(bots_count=Count("bots"))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        # The bots of its owner rest on it.
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk}

    def save_model(self, request: HttpRequest, obj: RiskPolicy, form: PolicyForm, change: bool) -> None:
        before = asdict(RiskPolicy.objects.get(pk=obj.pk).limits) if change else {}
        if change and form.has_changed():
            obj.version = F("version") + 1
        super().save_model(request, obj, form, change)
        obj.refresh_from_db()
        if differing := audit.differences(before, asdict(obj.limits)):
            policies.note(obj, differing, cast(User, request.user))

    @display(description="bots", ordering="bots_count")
    def bots_count(self, policy: Any) -> int:
        return int(policy.bots_count)
