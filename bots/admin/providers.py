"""Providers of language models, their models, budgets and calls. A key goes in and never comes out again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import action, display

from bots import providers, trials
from bots.deciders.language_models import presets
from bots.dispatch import NoBroker
from bots.models import Budget, FallbackModel, LanguageModel, ModelCall, Provider
from bots.tasks import enqueue_trial
from ledger.admin import Audited, Own, Owned, own
from ledger.models import AuditKind
from markets.admin import Exact, History, link

from .provider_forms import ModelForm, ProviderForm


@admin.register(Provider)
class ProviderAdmin(Audited, Owned, Exact):
    form = ProviderForm
    audited = ("name", "base_url", "key_source", "sealed_key")
    audit_kind = AuditKind.KEYS
    list_display = ("name", "owner", "base_url", "key_source", "key_shown", "models_count", "most_calls", "rests")
    list_filter = (("owner", Own),)
    list_select_related = ("owner",)
    search_fields = ("name", "base_url", "owner__username")
    readonly_fields = ("key_shown", "rests", "created_at")
    fieldsets = (
        (None, {"fields": ("name", "owner", "base_url", "created_at")}),
        ("Key", {"fields": ("key_source", "key_shown", "new_key")}),
        ("Calls", {"fields": ("most_calls", "rests")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return super().get_queryset(request).annotate(models_count_=Count("models"))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        # Whoever could point the environment's key at a server of their own could read it there.
        form.may_use_environment = request.user.is_superuser
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # A person has just changed something, so it is worth trying again.
        obj.failures, obj.resting_until, obj.resting_why = 0, None, ""
        super().save_model(request, obj, form, change)
        if not change and (added := providers.add_presets(provider=obj)):
            self.message_user(request, f"{added} models were added with preset prices: compare them before use.")

    def tell(self, request: HttpRequest, row: Model, change: dict[str, Any]) -> None:
        """That a key changed is told, and never the key."""
        sealed = change.pop("sealed_key", None)
        if sealed and any(sealed):
            change["key"] = "replaced" if all(sealed) else "given" if sealed[1] else "removed"
        super().tell(request, row, change)

    @display(description="key")
    def key_shown(self, provider: Provider) -> str:
        return provider.masked_key

    @display(description="models", ordering="models_count_")
    def models_count(self, provider: Any) -> int:
        return int(provider.models_count_)

    @display(description="rests until")
    def rests(self, provider: Provider) -> str:
        return f"{provider.resting_until:%H:%M:%S} UTC: {provider.resting_why}" if provider.resting_until else "-"


@admin.register(LanguageModel)
class LanguageModelAdmin(Owned, Exact):
    form = ModelForm
    actions = ("try_now",)
    actions_submit_line = ("save_and_try",)
    list_display = (
        "name", "provider", "model_id", "price_input", "price_cached", "price_output", "prices_checked",
        "test_passed", "test_result",
    )  # fmt: skip
    list_filter = (("provider", Own), "test_passed")
    list_select_related = ("provider",)
    search_fields = ("name", "model_id", "provider__name")
    readonly_fields = ("test_passed", "test_result", "tested_at")
    fieldsets = (
        (None, {"fields": ("name", "provider", "model_id")}),
        (
            "Prices, US dollars per million tokens",
            {
                "description": f"Presets are as of {presets.prices_of()}: compare them with the provider's own list.",
                "fields": ("price_input", "price_cached", "price_output", "price_reasoning", "prices_checked"),
            },
        ),
        ("Size and time", {"fields": ("context_tokens", "most_output", "call_seconds")}),
        (
            "What it takes",
            {
                "fields": (
                    "takes_schema", "takes_json", "takes_tools", "token_limit", "effort", "temperature", "refused"
                )
            },
        ),
        ("Test", {"fields": ("test_passed", "test_result", "tested_at")}),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        # Bots name it; its provider's owner pays for it.
        return (*self.readonly_fields, "name", "provider") if obj else self.readonly_fields

    @action(description="Test: ask for one word, in a worker", permissions=["change"])
    def try_now(self, request: HttpRequest, queryset: QuerySet[LanguageModel]) -> None:
        for model in queryset:
            self._try(request, model)

    @action(description="Save and test", permissions=["change"])
    def save_and_try(self, request: HttpRequest, obj: LanguageModel) -> None:
        self._try(request, obj)

    def _try(self, request: HttpRequest, model: LanguageModel) -> None:
        try:
            asked = trials.ask_for(model=model, enqueue=enqueue_trial)
        except NoBroker:
            self.message_user(request, "No worker can be reached: the test was not started.", messages.ERROR)
            return
        told = f"{model} is being asked; reload in a moment." if asked else f"{model} was asked a moment ago."
        self.message_user(request, told)


class FallbackInline(TabularInline):
    model = FallbackModel
    extra = 0
    fields = ("place", "model")
    verbose_name = "fallback"
    verbose_name_plural = "Asked when its own model fails"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        rows = own(LanguageModel.objects.select_related("provider"), request)
        return super().formfield_for_foreignkey(db_field, request, **{"queryset": rows} | kwargs)


@admin.register(Budget)
class BudgetAdmin(Audited, Owned, Exact):
    audited = ("daily_tokens", "daily_money")
    list_display = ("whose", "owner", "daily_tokens", "daily_money", "day", "tokens", "money", "total_cost")
    list_filter = (("owner", Own),)
    list_select_related = ("owner", "bot")
    fields = (
        "owner", "bot", "daily_tokens", "daily_money", "day", "tokens", "money_today", "total_tokens", "total",
        "unknown_costs",
    )  # fmt: skip
    readonly_fields = (
        "owner", "bot", "day", "tokens", "money_today", "total_tokens", "total", "unknown_costs"
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # made with the first call

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def store(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        # The counters may have moved since the page was opened.
        obj.save(update_fields=["daily_tokens", "daily_money"])

    @display(description="of")
    def whose(self, budget: Budget) -> str:
        return budget.bot.name if budget.bot else "all bots"

    @display(description="money today")
    def money_today(self, budget: Budget) -> str:
        return f"{budget.money:.6f} USD"

    @display(description="cost so far")
    def total(self, budget: Budget) -> str:
        return f"{budget.total_cost:.6f} USD"


@admin.register(ModelCall)
class ModelCallAdmin(Owned, History):
    list_display = (
        "id", "model_id_sent", "bot", "purpose", "state", "input_tokens", "output_tokens", "cost", "latency_ms",
        "error_code", "created_at", "decision_page",
    )  # fmt: skip
    list_filter = ("state", "purpose", "error_code", ("bot", Own))
    list_select_related = ("bot", "cycle__decision")
    search_fields = ("model_id_sent", "bot__name", "error")

    @display(description="decision")
    def decision_page(self, call: Any) -> str:
        decision = getattr(call.cycle, "decision", None)
        return link("decision", f"/decisions/{decision.pk}/") if decision else "-"
